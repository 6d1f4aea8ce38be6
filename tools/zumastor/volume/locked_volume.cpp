// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/locked_volume.h"

namespace zumastor {

LockedVolume lock_volume(const std::string& name)
{
    load_config(name); // a volume that does not exist leaves no lock file behind
    VolumeLock lock(name);
    return {std::move(lock), Volume(load_config(name))};
}

} // namespace zumastor
