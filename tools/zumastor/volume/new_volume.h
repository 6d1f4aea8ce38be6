// SPDX-License-Identifier: GPL-2.0
// Making a volume: what is checked before, what is done, what is undone.
#pragma once

#include <string>

#include "tools/common/offline_store.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// A volume that is to be made.
struct NewVolume {
    VolumeConfig config;
    StorePaths paths;
    bool initialize = false;
    InitOptions format;
    bool zero_origin = false;
};
// Everything that can be known to go wrong, before anything is touched. Throws.
void check_new_name(const VolumeConfig& config);
void check_new_devices(const NewVolume& wanted);
// What destroys data, to be asked for; empty: nothing does.
std::string question_about(const NewVolume& wanted);
// Makes it: store, daemon, device, configuration. Undoes what it did if it fails.
Volume make_volume(const NewVolume& wanted);

} // namespace zumastor
