// SPDX-License-Identifier: GPL-2.0
// A volume's snapshot, read through its daemon.
#pragma once

#include <memory>

#include "tools/stream/devices.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// As long as it is open nobody deletes the snapshot. Throws.
std::unique_ptr<SnapshotContent> open_content(const Volume& volume, const SnapshotEntry& snapshot);

} // namespace zumastor
