// SPDX-License-Identifier: GPL-2.0
// A replica as its users see it, and what replication leaves behind.
#pragma once

#include "tools/common/daemon.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// The newest complete snapshot is mounted at the volume's mount point, and the others as the role wants it;
// what the rotation drops is deleted. Takes the volume's lock. What cannot be done becomes a trouble, and is
// not thrown.
void show_received(Volume& volume, Troubles& troubles);

// Deletes snapshots that were taken for replication alone and are no base of it any more.
void drop_replication_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles);

} // namespace zumastor
