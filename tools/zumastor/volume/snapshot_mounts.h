// SPDX-License-Identifier: GPL-2.0
// How and where a volume's snapshots are mounted.
#pragma once

#include <string>

#include "tools/zumastor/config/config.h"

namespace zumastor {

// All options for mounting a snapshot of the volume that has a filesystem of this type.
std::string snapshot_mount_options(const std::string& type, const VolumeConfig& config);

// The directory that a volume's snapshots are mounted in lets through whom the way to the volume's mount
// point lets through, and nobody else: a directory of an administrator's own choice, which exists, stays as
// it is. Throws.
void prepare_snapshot_directory(const std::string& directory, const std::string& mount_point);

} // namespace zumastor
