// SPDX-License-Identifier: GPL-2.0
// The inside of a Store: it wires the parts, each of which calls only those above it in the list of members,
// and knows what open() and close() are made of. Each part has a header that states its invariant, its
// private state and what it may call:
//
//   context.h, state.h, places.h, room.h    what all share: devices and life; tree and tables; the data area;
//                                           what may be counted on
//   gate.h                                  who may go on
//   known_origin.h, origin_check.h, origin_sampler.h   is this the origin that the store is of?
//   checkpoint.h                            tree and tables → durable
//   apply.h, commit.h                       the journal: records → durable → tree and tables
//   loss.h                                  what to do when the store has failed
//   snapshots.h                             create, remove, priority, use count, attachments
//   sweep.h, space.h                        removing garbage; what to do when the store is full
//   chunk_io.h, copy_out.h                  origin writes
//   snapshot_read.h, snapshot_write.h, delta.h
//   resize.h, shrink.h, shrink_meta.h       the lengths of origin, store and metadata zone
//   superblock_io.h, load.h, replay.h       from devices to a running store
//   check.h                                 verification
//   background.h                            what goes on by itself
#pragma once

#include "store/background.h"
#include "store/check.h"
#include "store/copy_out.h"
#include "store/gate.h"
#include "store/load.h"
#include "store/loss.h"
#include "store/origin_check.h"
#include "store/replay.h"
#include "store/resize.h"
#include "store/shrink.h"
#include "store/shrink_meta.h"
#include "store/snapshot_write.h"

namespace snapstore {

class StoreImpl {
public:
    StoreImpl(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs);
    FramePool& frames() noexcept { return ctx.frames(); }

    Task<Result<OpenReport>> open();
    Task<Result<void>> close();
    StoreInfo info() const noexcept;

private:
    // The façade, which calls the parts.
    friend class Store;
    friend class StoreOrigin;
    friend class StoreSnapshots;
    friend class StoreClients;
    friend class StoreSpace;
    friend class StoreUpkeep;

    void make_pools();
    Result<void> sweep_for_table();

    Context ctx;
    State state{ctx};
    Places places{ctx};
    Room room{ctx, state, places};
    Gate gate{ctx.config.max_operations};
    KnownOrigin origin{ctx, state};
    Checkpoint checkpoint{ctx, state, places, room, origin};
    Applier applier{ctx, state, places};
    Commit commit{ctx, state, room, checkpoint, applier};
    Loss loss{ctx, state, room, checkpoint, commit};
    Snapshots snapshots{ctx, state, room, gate, checkpoint, commit};
    Sweep sweep{ctx, state, places, room, checkpoint};
    Space space{ctx, state, places, room, checkpoint, sweep, snapshots};
    ChunkIo io{ctx};
    CopyOut copy_out{ctx, state, places, room, gate, commit, space, loss, io};
    SnapshotRead snapshot_reads{ctx, state, places, gate, io};
    SnapshotWrite snapshot_writes{ctx, state, places, room, gate, commit, space, io, snapshot_reads};
    ZoneShrink zone_shrink{ctx, state, room, gate, checkpoint, io};
    StoreShrink store_shrink{ctx, state, places, room, gate, checkpoint, commit, io};
    Resize resize{ctx, state, places, room, gate, checkpoint, io, copy_out, zone_shrink};
    OriginCheck origin_check{ctx, state, origin};
    OriginSampler sampler{ctx, state, origin, checkpoint};
    Background background{ctx, places, gate, checkpoint, commit, sweep, sampler, space};
    Loader loader{ctx, state, places, room};
    Replay replay{ctx, state, room, applier};
    Checker checker{ctx, state, places, checkpoint, loader, replay, io};
    bool open_called = false;
};

} // namespace snapstore
