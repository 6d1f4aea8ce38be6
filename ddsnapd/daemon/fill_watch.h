// SPDX-License-Identifier: GPL-2.0
// When to warn that something fills up: once for each mark that is reached, and again only after it has been
// well below it in between, so that a volume at a mark does not flood the log. Pure; allocates nothing after
// its construction. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ddsnap::daemon {

class FillWatch {
public:
    static constexpr unsigned kRearm = 5; // percentage points below a mark

    // `marks`: percentages in any order; 0 stands for no mark.
    explicit FillWatch(std::vector<unsigned> marks);

    // The highest mark that has been reached since it was last told or rearmed; empty if none.
    std::optional<unsigned> look(std::uint64_t used, std::uint64_t total) noexcept;

private:
    std::vector<unsigned> marks_; // ascending
    std::size_t told_ = 0;        // so many of them, from the lowest
};

} // namespace ddsnap::daemon
