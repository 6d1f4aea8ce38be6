// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/rollback.h"

#include <algorithm>
#include <vector>

#include "tools/common/failure.h"
#include "tools/zumastor/follow_size.h"
#include "tools/zumastor/shown_snapshot.h"
#include "tools/zumastor/snapshot_content.h"

namespace zumastor {

bool origin_equals(const Volume& volume, Daemon& daemon, const SnapshotEntry& base)
{
    return origin_equals(volume, daemon, base, all_of(daemon, base));
}

bool origin_equals(const Volume& volume, Daemon& daemon, const SnapshotEntry& base, const Compared& compared)
{
    return device_equals(
        volume.paths().origin_device, daemon, base, [&] { return open_content(volume, base); }, compared);
}

void write_back(const Volume& volume, Daemon& daemon, const SnapshotEntry& to)
{
    write_back(volume.paths().origin_device, daemon, to, *open_content(volume, to));
}

void roll_back(const Volume& volume, Daemon& daemon, ReplicaState& state)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    const auto base =
        std::find_if(list.begin(), list.end(), [&](const SnapshotEntry& s) { return s.uuid == state.last; });
    if (base == list.end() || base->squashed) {
        throw Failure(Exit::not_found,
                      volume.what() +
                          " holds part of a stream, and there is no complete snapshot to go back to",
                      "receive a full stream");
    }
    grow_to(volume, daemon, base->sectors); // the stream may have been of a smaller volume
    write_back(volume, daemon, *base);
    state.reception.reset();
    save_replica_state(volume.paths().state, state);
    release_shown(volume.paths().state, daemon);
}

} // namespace zumastor
