// SPDX-License-Identifier: GPL-2.0
// Taking a volume down.
#pragma once

#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Starts the daemon again if it has died under a mounted filesystem: without it nothing can be unmounted.
void revive_for_unmount(Volume& volume);
// Its timers rest and their cycles have ended, nothing is mounted, it has no devices and no daemon. Throws
// Exit::busy, naming who uses it; then all is as it was, but for a cycle that had to end: the next one resumes
// it.
void stop_completely(Volume& volume);

} // namespace zumastor
