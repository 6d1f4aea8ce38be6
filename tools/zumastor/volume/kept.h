// SPDX-License-Identifier: GPL-2.0
// What an origin holds and nothing else does, before it is overwritten.
//
// Invariant: whatever overwrites a master's origin, or what was written to a replica's by somebody else, has
// taken a snapshot of it first, of a kind and a name of its own, pinned from its first moment. No schedule
// drops that (rotated_out()), replication does not take it for its own, and a full store fails writes rather
// than give it up. It goes when the administrator releases it. (zumastor-kept.test)
#pragma once

#include <string>

#include "tools/common/daemon.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// The snapshot that keeps what the origin holds: a new one, or the newest that was kept, if it holds the
// same, as it does when a command is repeated after an interruption. Nothing is mounted, or it can be frozen.
SnapshotEntry keep_origin(const Volume& volume, Daemon& daemon, const std::string& kind);

std::string numbered(const SnapshotEntry& kept); // "snapshot 7 (undo-…)"
// "what only … had is held in snapshot 7 (undo-…)", and how it is seen and released.
std::string describe_kept(const VolumeConfig& config, const SnapshotEntry& kept);
std::string advice_on_kept(const VolumeConfig& config, const SnapshotEntry& kept);
// Both, to stderr. `config`: as it is from now on.
void tell_kept(const VolumeConfig& config, const SnapshotEntry& kept);

} // namespace zumastor
