// SPDX-License-Identifier: GPL-2.0
// Kinds of snapshots that are no schedule's: nobody can ask for one, and no schedule can have it.
#pragma once

#include <string>

#include "tools/common/daemon.h"

namespace zumastor {

// Taken by replication for itself. Such snapshots go when they are no base any more.
inline const std::string kReplicateKind = "replicate";

// What an origin held before it was overwritten (volume/kept.h).
inline const std::string kUndoKind = "undo";            // by revert
inline const std::string kReversedKind = "reversed";    // of a master that becomes a replica
inline const std::string kTakenBackKind = "taken-back"; // of a replica that somebody else has written to

bool is_kept_kind(const std::string& kind);
bool is_kept(const SnapshotEntry& snapshot);
// "ddsnap priority" may have let it go.
bool is_pinned(const SnapshotEntry& snapshot);

} // namespace zumastor
