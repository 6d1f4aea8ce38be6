// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replica.h"

#include <algorithm>

#include "tools/common/failure.h"
#include "tools/zumastor/bookmark.h"
#include "tools/zumastor/commands.h"
#include "tools/zumastor/holds.h"
#include "tools/zumastor/lock.h"
#include "tools/zumastor/target_state.h"
#include "tools/zumastor/transfer.h"

namespace zumastor {

void show_newest(Volume& volume, Daemon& daemon)
{
    const std::string last = load_replica_state(volume.paths().state).last;
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (snapshot.uuid == last && !snapshot.squashed) {
            volume.show_snapshot(snapshot);
        }
    }
}

void show_received(Volume& volume)
{
    const VolumeLock lock(volume.config().name);
    Troubles troubles;
    try {
        Daemon daemon = volume.daemon();
        show_newest(volume, daemon);
        rotate_snapshots(volume, daemon, troubles);
        drop_replication_snapshots(volume, daemon, troubles);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        troubles.emplace_back(failure.what());
    }
    for (const std::string& trouble : troubles) {
        note(volume.what() + ": received, but: " + trouble);
    }
}

void drop_replication_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles)
{
    update_bookmarks(volume, daemon);
    sync_holds(volume, daemon);
    const std::set<std::string> needed = snapshots_in_use(volume.paths().state);
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (snapshot.tag != kReplicateKind || needed.count(snapshot.uuid) > 0) {
            continue;
        }
        try {
            volume.drop_snapshot(daemon, snapshot.id);
        } catch (const Failure& failure) {
            if (failure.code() != Exit::busy) {
                throw;
            }
            troubles.push_back(
                "snapshot " + std::to_string(snapshot.id) +
                " is not needed any more, but in use; the next cycle tries again: " + failure.what());
        }
    }
}

} // namespace zumastor
