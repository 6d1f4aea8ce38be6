// SPDX-License-Identifier: GPL-2.0
#pragma once

#include <string>

#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// A volume with no other command at work on it.
struct LockedVolume {
    VolumeLock lock;
    Volume volume;
};
// Throws Exit::not_found, naming the volumes that exist; Exit::busy as VolumeLock does.
LockedVolume lock_volume(const std::string& name);

} // namespace zumastor
