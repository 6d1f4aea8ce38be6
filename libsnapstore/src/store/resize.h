// SPDX-License-Identifier: GPL-2.0
// The lengths of the origin and of the store's data area. Both are fields of the superblock and change with a
// checkpoint; there are no records of them in the journal.
//
// Crash cases. The new superblock is not durable: the old length holds; what a shrink has copied out by then
// is as good as any other copy. It is durable: the new length holds, and by then no live snapshot shares
// anything beyond the new end. Replay begins at the checkpoint, so that it never sees the old length.
//
// Invariant: a live snapshot has an exception of each of its chunks that the origin does not have as a whole.
// Only create() could break it while a shrink goes on, and waits for the gate's lock. (ResizeTest)
//
// May call: State, Places, Room, Gate, Checkpoint, CopyOut, ZoneShrink.
#pragma once

#include "store/copy_out.h"
#include "store/shrink_meta.h"

namespace snapstore {

class Resize {
public:
    Resize(Context& ctx, State& state, Places& places, Room& room, Gate& gate, Checkpoint& checkpoint,
           ChunkIo& io, CopyOut& copy_out, ZoneShrink& zone_shrink) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), gate_(gate), checkpoint_(checkpoint),
          io_(io), copy_out_(copy_out), zone_shrink_(zone_shrink)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<void>> resize_origin(Sectors size);
    Task<Result<void>> resize_store(Bytes size); // to a larger one
    Task<Result<void>> resize_meta(Bytes size);

private:
    Result<void> fits(Bytes size, const BlockDevice& device, const char* smaller) const;
    Task<Result<void>> copy_out_tail(Sectors size);
    Task<Result<void>> grow_meta(std::uint64_t count);

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    Gate& gate_;
    Checkpoint& checkpoint_;
    ChunkIo& io_;
    CopyOut& copy_out_;
    ZoneShrink& zone_shrink_;
};

} // namespace snapstore
