// SPDX-License-Identifier: GPL-2.0
// What has changed here since the snapshot that a replica has: for a replica that is away so long that a full
// store gives up this snapshot. The next cycle is based on it all the same.
//
// A bookmark is a change list (docs/changelist-format.md) in
// /var/lib/zumastor/.state/VOL/bookmark-UUID.changes, from the replica's base to the newest snapshot at the
// time. Whenever a snapshot has come, it is made anew, or, with the base gone, added to: base to end, and end
// to newest. Base and end are held, the base being the older.
//
// Invariant: every chunk in which the end differs from the base is in the list. So with a snapshot T, list
// and delta(end, T) have every chunk in which T differs from the base, whichever of end and T is older.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/changelist.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// What is in one of them or both; ascending and merged, as both have to be.
std::vector<DeltaRange> merge_ranges(const std::vector<DeltaRange>& one,
                                     const std::vector<DeltaRange>& other);

// Chunks that may differ between two snapshots, of which either may be the older; none if they are the same.
std::vector<DeltaRange> ranges_between(Daemon& daemon, const SnapshotEntry& one, const SnapshotEntry& other);

// Brings the bookmarks of all replicas up to the newest snapshot. With the volume's lock held, before any
// snapshot is deleted.
void update_bookmarks(const Volume& volume, Daemon& daemon);

} // namespace zumastor
