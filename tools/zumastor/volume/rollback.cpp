// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/rollback.h"

#include <algorithm>
#include <vector>

#include "tools/common/failure.h"
#include "tools/stream/devices.h"
#include "tools/zumastor/state/received_ranges.h"
#include "tools/zumastor/volume/follow_size.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/shown_snapshot.h"
#include "tools/zumastor/volume/snapshot_content.h"

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
    try {
        write_back(volume, daemon, *base);
    } catch (const NoSpace& error) {
        throw Failure(Exit::store_full,
                      volume.what() + ": " + error.what() + ", and held snapshots are not given up",
                      "delete other snapshots or enlarge the store, then repeat this command");
    }
    state.reception.reset();
    save_replica_state(volume.paths().state, state);
    release_shown(volume.paths().state, daemon);
}

namespace {

// Where the stream has written, or may have, nothing is known of what others wrote.
bool has_foreign_writes(const Volume& volume, Daemon& daemon, const ReplicaState& state)
{
    const std::string& uuid = state.reception ? state.reception->from : state.last;
    if (uuid.empty()) {
        return false; // a full stream: it takes the place of everything
    }
    const std::vector<SnapshotEntry> list = daemon.list();
    const auto base =
        std::find_if(list.begin(), list.end(), [&](const SnapshotEntry& s) { return s.uuid == uuid; });
    if (base == list.end() || base->squashed) {
        return true; // nobody knows
    }
    Compared compared = all_of(daemon, *base);
    if (!state.reception) {
        return !origin_equals(volume, daemon, *base, compared);
    }
    const ReceivedRanges ranges(volume.paths().state, *state.reception);
    compared.end = std::min(compared.end, state.reception->next_chunk * compared.chunk_bytes);
    compared.first = ranges.known_from();
    compared.without = ranges.all();
    return compared.first * compared.chunk_bytes < compared.end &&
           !origin_equals(volume, daemon, *base, compared);
}

} // namespace

void take_back(const Volume& volume, Daemon& daemon, ReplicaState& state)
{
    if (has_foreign_writes(volume, daemon, state)) {
        tell_kept(volume.config(), keep_origin(volume, daemon, kTakenBackKind));
    }
    roll_back(volume, daemon, state);
}

} // namespace zumastor
