// SPDX-License-Identifier: GPL-2.0
#include "store/places.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

namespace snapstore {

void Places::reset(std::uint64_t places)
{
    constexpr std::size_t kMostBad = 256;
    chunks = Allocator(places);
    verified = Bitmap(places);
    bad_.reserve(kMostBad);
}

bool Places::is_bad(std::uint64_t place) const noexcept
{
    return std::find(bad_.begin(), bad_.end(), place) != bad_.end();
}

// The place is allocated, and stays so. The next one that is allocated is far away: where one sector is bad,
// its neighbours often are.
void Places::note_bad(std::uint64_t place) noexcept
{
    if (bad_.size() == bad_.capacity()) {
        ctx_.fail_store("cannot write to the snapshot store, in too many places");
        return;
    }
    bad_.push_back(place);
    --uncommitted;
    chunks.look_from((place + chunks.size() / 8 * 3) % chunks.size());
    std::array<char, 160> text{};
    const int length = std::snprintf(text.data(), text.size(),
                                     "the snapshot store cannot be written at byte %" PRIu64
                                     ": that place is not used any more",
                                     ctx_.store_offset(place).value);
    ctx_.observer.log(2, {text.data(), static_cast<std::size_t>(std::max(length, 0))});
}

// Gives what was allocated and will not be named back, but for bad places.
void Places::give_back(std::uint64_t first, std::uint64_t count) noexcept
{
    for (std::uint64_t place = first; place < first + count; ++place) {
        if (!is_bad(place)) {
            chunks.free_now(place);
            --uncommitted;
        }
    }
}

// A store that is being made smaller takes its bad places with it.
void Places::forget_bad_from(std::uint64_t end) noexcept
{
    std::erase_if(bad_, [&](std::uint64_t place) {
        if (place >= end) {
            chunks.free_now(place);
        }
        return place >= end;
    });
}

} // namespace snapstore
