// SPDX-License-Identifier: GPL-2.0
// When the store is full (I6): the cheapest remedy first. One request at a time works at it, the others
// wait and look again after each step:
//
//   the zone lacks room for the worst case of the copies under way  → wait for these
//   something is freed but not yet usable  → checkpoint
//   a deleted or squashed snapshot's garbage is still there → sweep
//   the store, or its room for metadata, is being shrunk → that is given up
//   a squashed snapshot's clients still use its extents → wait until these are released, or overdue
//   else squash the next victim; none left, or snapshots come first → no_space
//
// Invariant: no snapshot is squashed while anything cheaper is left, nor one that is pinned.
// (SquashTest, StoreTest.FullStoreSquashesTheLowestPriority)
//
// May call: State, Places, Room, Checkpoint, Sweep, Snapshots (squash only).
#pragma once

#include "store/snapshots.h"
#include "store/sweep.h"

namespace snapstore {

class Space {
public:
    Space(Context& ctx, State& state, Places& places, Room& room, Checkpoint& checkpoint, Sweep& sweep,
          Snapshots& snapshots) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), checkpoint_(checkpoint), sweep_(sweep),
          snapshots_(snapshots)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    // ok: there may be room now, look again. Also ok if no snapshot is live any more.
    // `claims`: chunks that the caller has claimed, whose copies stand still meanwhile.
    Task<Result<void>> wait_for_space(std::uint64_t chunks_wanted, std::uint64_t records,
                                      std::uint64_t claims);
    bool making() const noexcept { return making_; }

private:
    Task<Result<void>> make();
    Task<Result<void>> sweep_some();
    Task<Result<void>> squash_next();

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    Checkpoint& checkpoint_;
    Sweep& sweep_;
    Snapshots& snapshots_;
    bool making_ = false;
    std::uint64_t claims_waiting_ = 0; // claims of those that wait for space
};

} // namespace snapstore
