// SPDX-License-Identifier: GPL-2.0
// How snapshots and replicas are mounted: what is in them was in a filesystem that somebody else may have
// written, and stays there for ever. So no file of theirs gives rights (nosuid), no node leads to a device
// (nodev), and what the volume itself is not to be used for they are not either (noexec, nosymfollow).
// VOL.toml can allow it: snapmountopts.
#pragma once

#include <string>

#include "tools/zumastor/config/config.h"

namespace zumastor {

// Throws Exit::usage if a word of the list is none of suid, dev, exec, symfollow, and their opposites.
void check_snapshot_options(const std::string& list);

// All options for mounting a snapshot of the volume that has a filesystem of this type.
std::string snapshot_mount_options(const std::string& type, const VolumeConfig& config);

// The directory that a volume's snapshots are mounted in lets through whom the way to the volume's mount
// point lets through, and nobody else: a directory of an administrator's own choice, which exists, stays as
// it is. Throws.
void prepare_snapshot_directory(const std::string& directory, const std::string& mount_point);

} // namespace zumastor
