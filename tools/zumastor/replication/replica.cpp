// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/config/troubles.h"

#include <algorithm>

#include "tools/common/failure.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/volume/bookmark.h"
#include "tools/zumastor/volume/held_snapshots.h"
#include "tools/zumastor/volume/shown_snapshot.h"
#include "tools/zumastor/volume/snapshots.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {

void show_received(Volume& volume, Troubles& troubles)
{
    const std::string received = volume.what() + ": the received snapshot";
    attempt(troubles, received, [&] {
        const VolumeLock lock(volume.config().name);
        Daemon daemon = volume.daemon();
        attempt(troubles, received + " is not mounted", [&] { show_newest(volume, daemon); });
        attempt(troubles, received + " is there, but snapshots are not rotated",
                [&] { rotate_snapshots(volume, daemon, troubles); });
        attempt(troubles, received + " is there, but no old snapshot is deleted",
                [&] { drop_replication_snapshots(volume, daemon, troubles); });
    });
}

void drop_replication_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles)
{
    attempt(troubles, "the changes that replication needs are not saved",
            [&] { update_bookmarks(volume, daemon); });
    attempt(troubles, "the snapshots that replication needs are not held",
            [&] { sync_holds(volume, daemon); });
    const std::set<std::string> needed = snapshots_in_use(volume.paths().state);
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (snapshot.tag != kReplicateKind || needed.count(snapshot.uuid) > 0) {
            continue;
        }
        try {
            drop_snapshot(volume, daemon, snapshot.id);
        } catch (const Failure& failure) {
            if (failure.code() != Exit::busy) {
                throw;
            }
            // Who reads a replica has an old one open for a while after each switch: nothing has failed.
            note(volume.what() + ": snapshot " + std::to_string(snapshot.id) +
                 " is not needed any more, but it is in use; the next cycle tries again to "
                 "delete it: " +
                 failure.what());
        }
    }
}

} // namespace zumastor
