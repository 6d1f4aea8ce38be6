// SPDX-License-Identifier: GPL-2.0
// The snapshots that replication needs are held (state/holds.h).
#pragma once

#include "tools/common/daemon.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Makes the use counts what the state of replication asks for. With the volume's lock held.
void sync_holds(const Volume& volume, Daemon& daemon);

} // namespace zumastor
