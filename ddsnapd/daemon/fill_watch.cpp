// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/fill_watch.h"

#include <algorithm>
#include <utility>

namespace ddsnap::daemon {

FillWatch::FillWatch(std::vector<unsigned> marks) : marks_(std::move(marks))
{
    std::erase(marks_, 0u);
    std::sort(marks_.begin(), marks_.end());
    marks_.erase(std::unique(marks_.begin(), marks_.end()), marks_.end());
}

std::optional<unsigned> FillWatch::look(std::uint64_t used, std::uint64_t total) noexcept
{
    if (total == 0) {
        return std::nullopt;
    }
    // In floating point, so that no number of chunks overflows; a mark is not a matter of rounding.
    const double percent = 100.0 * static_cast<double>(used) / static_cast<double>(total);
    while (told_ > 0 && percent + kRearm < marks_[told_ - 1]) {
        --told_;
    }
    const std::size_t before = told_;
    while (told_ < marks_.size() && percent >= marks_[told_]) {
        ++told_;
    }
    return told_ > before ? std::optional(marks_[told_ - 1]) : std::nullopt;
}

} // namespace ddsnap::daemon
