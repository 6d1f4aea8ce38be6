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

// What of that the volume's snapshots are mounted with: ",nosuid,nodev".
std::string snapshot_restrictions(const VolumeConfig& config);

} // namespace zumastor
