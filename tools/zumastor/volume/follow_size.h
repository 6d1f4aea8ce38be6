// SPDX-License-Identifier: GPL-2.0
// A replica's volume is as long as what it is a replica of.
#pragma once

#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Throws, naming both sizes, if the device below the volume is too small for so much; nothing is changed.
void refuse_small_device(const Volume& volume, std::uint64_t sectors);
// The volume has so much at least; says so if it had less.
void grow_to(const Volume& volume, Daemon& daemon, std::uint64_t sectors);
// The volume has no more than that. If there is no room to keep what snapshots need of its end, it stays as
// long as it is, and a note says so.
void shrink_to(const Volume& volume, Daemon& daemon, std::uint64_t sectors);

} // namespace zumastor
