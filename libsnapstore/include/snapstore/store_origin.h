// SPDX-License-Identifier: GPL-2.0
// A store seen from its origin: what has to happen before the origin is written.
#pragma once

#include <string_view>

#include "snapstore/store_types.h"

namespace snapstore {

class StoreImpl;

class StoreOrigin {
public:
    // True if no chunk of the range is shared: an origin write may pass at once. No I/O.
    bool writable(ChunkRange range) const noexcept;
    // True if no live snapshot exists.
    bool no_snapshots() const noexcept;
    // Copies out every chunk of the range that a live snapshot shares. Invariant I1: completes with
    // success only when data and records are durable (flushed). Concurrent calls for the same chunk
    // share one copy. Squashes as I6 says when space runs out; no_space only if nothing may be squashed. If
    // the store has failed: as give_up() says. Does not wait for read locks: these are the volume service's.
    // A chunk that the origin cannot deliver, though it delivers others, is lost to the snapshots that share
    // it: they get io_error there. (Under snapshot_first, and if the origin delivers nothing: io_error for
    // the write.) The exceptions are made for the newest epoch at the time of the copy; if create() closes
    // another epoch before the caller grants, the caller must ask again (compare Store::epoch()).
    Task<Result<void>> write(ChunkRange range);
    // The store has failed (info().failed): all snapshots are given up, one whose creation failed with it
    // included. Success only when that is durable, in the superblock or in the witness, so that whoever opens
    // the store next with the same witness finds them squashed; origin writes need no copies then. `failed`
    // otherwise: under snapshot_first, if a snapshot is pinned (priority 127), or if neither place takes the
    // record; origin writes that need a copy fail then.
    Task<Result<void>> give_up();

    // The length of the origin. Durable when it completes; a crash leaves the old or the new one. Snapshots
    // keep theirs. The device must be as large: else Errc::too_small.
    //
    // Shrinking first copies out what live snapshots share of what goes, the chunk that the new end divides
    // included; after that no snapshot reads the origin there. It never squashes for it: no_space if there is
    // no room for all of it (each chunk counted, zero ones too; what was copied by then stays). The
    // caller sees to it that nobody writes beyond the new end, and waits for readers that were told `origin`.
    Task<Result<void>> resize(Sectors size);

    // Which origin this is, from now on: durable with the next checkpoint or close(). For what has changed
    // since open(), a filesystem that was made anew for example.
    void set_identity(std::string_view identity) noexcept;
    // As the store remembers it, also after an open() that was refused for it. Empty: it does not.
    std::string_view identity() const noexcept;

private:
    friend class Store;
    explicit StoreOrigin(StoreImpl& impl) noexcept : impl_(impl) {}
    StoreImpl& impl_;
};

} // namespace snapstore
