// SPDX-License-Identifier: GPL-2.0
// Which blocks of the metadata zone are free. The allocator knows units, from 0 on; here a block becomes a
// unit and a unit a block, and nowhere else.
#pragma once

#include "format/block_number.h"
#include "memory/allocator.h"

namespace snapstore {

class Zone {
public:
    struct Run {
        Block first;
        std::uint64_t count = 0; // 0 = nothing free
    };

    Zone() = default;
    explicit Zone(const Area& area) : first_(area.first), units_(area.count) {} // all of it free

    Block first() const noexcept { return first_; }
    std::uint64_t free() const noexcept { return units_.free(); }
    Allocator& units() noexcept { return units_; } // for who changes their number, or freezes them
    const Allocator& units() const noexcept { return units_; }

    Run allocate(std::uint64_t want) noexcept // neighbours, so many at most
    {
        const Allocator::Run run = units_.allocate(want);
        return {first_ + run.first, run.count};
    }
    // For open(): false if it is taken already, or not of the zone.
    bool mark_used(Block block) noexcept { return block >= first_ && units_.mark_used(block - first_); }
    bool is_used(Block block) const noexcept { return block >= first_ && units_.is_used(block - first_); }
    void free_now(Block block) noexcept { units_.free_now(block - first_); }
    void free_later(Block block) noexcept { units_.free_later(block - first_); }

private:
    Block first_;
    Allocator units_;
};

} // namespace snapstore
