// SPDX-License-Identifier: GPL-2.0
// A replica's snapshot gets the content that it should have had.
#pragma once

#include "tools/common/daemon.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Reads a stream of the chunks that differ from `fd` (verify_session.h) and writes them to the snapshot
// alone: what other snapshots hold does not change. If it is the one that the origin ought to hold, the
// origin then gets its content, too, and an unfinished reception is taken back. Meanwhile the snapshot is not
// mounted; it is shown anew afterwards. Interrupted, it can be repeated. Throws Failure.
void repair_from(Volume& volume, const SnapshotEntry& snapshot, int fd);

} // namespace zumastor
