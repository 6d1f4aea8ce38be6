// SPDX-License-Identifier: GPL-2.0
// The metadata zone becomes shorter. What lies beyond the new end is written anew below it, by checkpoints
// like any other; then the length changes.
//
//   limit ──► checkpoint ──► nodes and tables beyond the end are changed, as if by an insertion
//               ▲               └─ again, as long as anything beyond the end is named ─┘
//             ──► checkpoint with the new length ──► cut
//
// Nodes of the present generation would be changed where they are: hence a checkpoint before the first round.
//
// Crash cases. As long as the newest superblock has the old length, it names nodes wherever they are, and all
// of them are intact, as after any checkpoint. The one with the new length names nothing beyond the end, and
// replay adds nothing there.
//
// Invariants:
//   No block beyond the new end is given out from the beginning on (AllocatorTest.NothingBeyondTheLimit).
//   What is left has room for what there is, and for all that may be in flight: the tree's limit is the new
//   zone's from the beginning on. If writes need more, the shrink is given up, not a snapshot.
//   (ShrinkMetaTest)
//
// May call: State, Room, Gate, Checkpoint, ChunkIo (asks only).
#pragma once

#include "store/checkpoint.h"
#include "store/chunk_io.h"
#include "store/gate.h"

namespace snapstore {

class ZoneShrink {
public:
    ZoneShrink(Context& ctx, State& state, Room& room, Gate& gate, Checkpoint& checkpoint,
               ChunkIo& io) noexcept
        : ctx_(ctx), state_(state), room_(room), gate_(gate), checkpoint_(checkpoint), io_(io)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<void>> run(std::uint64_t blocks); // that are to be left

private:
    std::uint64_t least_zone() const noexcept;
    Task<Result<void>> limit_zone();
    Task<Result<void>> empty_zone_end();
    Task<Result<void>> renew_nodes(Block from);
    void renew_tables(Block from);
    Task<Result<void>> cut_zone();

    Context& ctx_;
    State& state_;
    Room& room_;
    Gate& gate_;
    Checkpoint& checkpoint_;
    ChunkIo& io_;
};

} // namespace snapstore
