// SPDX-License-Identifier: GPL-2.0
// The places of the data area: which are free, which were compared with their checksum, and which cannot be
// written. A copy goes elsewhere then, and the place is not used again by this process: one sector must not
// cost all snapshots. Only a device that fails in several places at once, far from each other, has failed.
//
// Bad places are not recorded: the next life finds them again, if they are still bad. Blocks of the journal
// are passed over (commit.h). The superblock, the tables and the tree are not among them: an error there is
// one of the store. (BadPlaceTest)
//
// Life of a place: free → allocated for a copy (uncommitted) → named by the tree once its record is durable
// (Applier) → pending when the sweep erases the entry → free when the next checkpoint is durable.
//
// May call: Context.
#pragma once

#include <vector>

#include "memory/allocator.h"
#include "store/context.h"

namespace snapstore {

class Places {
public:
    static constexpr unsigned kTried = 3; // by a copy, before the store has failed

    explicit Places(Context& ctx) noexcept : ctx_(ctx) {}

    void reset(std::uint64_t places); // so many, all of them free

    void note_bad(std::uint64_t place) noexcept;
    void give_back(std::uint64_t first, std::uint64_t count) noexcept;
    void forget_bad_from(std::uint64_t end) noexcept;
    std::size_t bad() const noexcept { return bad_.size(); }

    Allocator chunks;
    Bitmap verified;               // their checksum has been compared, or this process wrote them
    std::uint64_t uncommitted = 0; // allocated, their record not yet applied

private:
    bool is_bad(std::uint64_t place) const noexcept;

    Context& ctx_;
    std::vector<std::uint64_t> bad_; // never grows beyond its room
};

} // namespace snapstore
