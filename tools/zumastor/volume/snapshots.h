// SPDX-License-Identifier: GPL-2.0
// Taking a snapshot (freeze, snapshot, thaw), and what follows it (mounts, rotation, links).
#pragma once

#include "tools/common/daemon.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// A snapshot of the volume's present content, its filesystem frozen meanwhile, in whatever namespace it is
// mounted. Throws if it would be one of a mixture, or if the filesystem had to be thawed too early; then
// there is none.
SnapshotEntry take_consistent(const Volume& volume, Daemon& daemon, const NewSnapshot& wanted);

// Mounts what is new, makes the links, deletes what the schedule drops and replication does not need. With
// the volume's lock held.
void rotate_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles);

} // namespace zumastor
