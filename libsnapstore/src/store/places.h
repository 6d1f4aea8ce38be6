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
    struct Run {
        StoreChunk first;
        std::uint64_t count = 0; // 0 = nothing free
    };

    explicit Places(Context& ctx) noexcept : ctx_(ctx) {}

    void reset(std::uint64_t places); // so many, all of them free
    bool mark_used(StoreChunk place) noexcept { return units_.mark_used(place.value); } // for open()
    Allocator& units() noexcept { return units_; } // for who changes their number, or freezes them
    const Allocator& units() const noexcept { return units_; }
    bool is_used(StoreChunk place) const noexcept { return units_.is_used(place.value); } // and not freed
    std::uint64_t free() const noexcept { return units_.free(); }
    std::uint64_t pending() const noexcept { return units_.pending(); } // freed, not usable yet
    std::uint64_t leaked(std::uint64_t named) const noexcept;           // used, but not by those named

    // The life of a place.
    Run allocate(std::uint64_t want) noexcept;    // uncommitted, neighbours, so many at most
    void give_back(const Run& run) noexcept;      // will not be named: free, but for bad ones
    void committed() noexcept { --uncommitted_; } // one of those allocated is named, or free_*() follows
    void free_now(StoreChunk place) noexcept { units_.free_now(place.value); }
    void free_later(StoreChunk place) noexcept { units_.free_later(place.value); }

    // Its checksum has been compared, or this process wrote it.
    bool verified(StoreChunk place) const noexcept { return verified_.test(place.value); }
    void set_verified(StoreChunk place) noexcept { verified_.set(place.value); }
    void grow(std::uint64_t places);

    void note_bad(StoreChunk place) noexcept;
    void forget_bad_from(StoreChunk end) noexcept;
    std::size_t bad() const noexcept { return bad_.size(); }

private:
    bool is_bad(StoreChunk place) const noexcept;

    Context& ctx_;
    Allocator units_;
    Bitmap verified_;
    std::uint64_t uncommitted_ = 0; // allocated, their record not yet applied
    std::vector<StoreChunk> bad_;   // never grows beyond its room
};

} // namespace snapstore
