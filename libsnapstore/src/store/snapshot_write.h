// SPDX-License-Identifier: GPL-2.0
// Writes to a snapshot: each chunk gets a private place in the store, with its present content. The commit
// flushes those data before it writes the record, since the client will overwrite them in place.
//
// Invariant: a place is told only when its private exception is durable and applied.
// (StoreModelTest; sim: private-unflushed)
//
// May call: State, Places, Room, Gate, Commit, Space, ChunkIo, SnapshotRead (extents only). Allocates
// nothing.
#pragma once

#include "store/snapshot_read.h"
#include "store/space.h"

namespace snapstore {

class SnapshotWrite {
public:
    SnapshotWrite(Context& ctx, State& state, Places& places, Room& room, Gate& gate, Commit& commit,
                  Space& space, ChunkIo& io, SnapshotRead& reads) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), gate_(gate), commit_(commit), space_(space),
          io_(io), reads_(reads)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<std::size_t>> write(SnapshotId id, ChunkRange range, std::span<Extent> out);

private:
    Task<Result<void>> make_private(SnapshotId id, Chunk chunk);
    Task<Result<void>> copy_private(Snapshot& snapshot, Chunk chunk, bool& queued);
    Task<Result<void>> read_chunk(const Snapshot& snapshot, Chunk chunk, std::span<std::byte> to);

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    Gate& gate_;
    Commit& commit_;
    Space& space_;
    ChunkIo& io_;
    SnapshotRead& reads_;
};

} // namespace snapstore
