// SPDX-License-Identifier: GPL-2.0
// A replica's origin and the snapshot that it ought to hold.
#pragma once

#include "tools/common/daemon.h"
#include "tools/stream/write_back.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Whether the origin's content is that of `base`, in all or in what is to be compared. Only what the index
// says may differ is read.
bool origin_equals(const Volume& volume, Daemon& daemon, const SnapshotEntry& base);
bool origin_equals(const Volume& volume, Daemon& daemon, const SnapshotEntry& base, const Compared& compared);

// Makes the origin what `to` holds, as far as that reaches, and flushes it. Other snapshots keep their
// content. Can be repeated after an interruption. Throws NoSpace, stream::TransferError.
void write_back(const Volume& volume, Daemon& daemon, const SnapshotEntry& to);

// Makes the origin what the snapshot received last says, and forgets the reception. Other snapshots keep
// their content. Can be repeated after an interruption. Throws Exit::not_found if there is no such snapshot,
// Exit::store_full.
void roll_back(const Volume& volume, Daemon& daemon, ReplicaState& state);

// The same; but what somebody else than the stream has written to the origin, as far as that is known, is
// kept first (kept.h).
void take_back(const Volume& volume, Daemon& daemon, ReplicaState& state);

} // namespace zumastor
