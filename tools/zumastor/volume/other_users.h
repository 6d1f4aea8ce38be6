// SPDX-License-Identifier: GPL-2.0
// Who else would take the disk beneath a volume, or its snapshots, for what the volume holds: lines of
// /etc/fstab, LVM, md, multipath (docs/devices.md). Told by `define` and by the doctor.
#pragma once

#include <string>
#include <vector>

#include "tools/zumastor/config/config.h"

namespace zumastor {

struct OtherUser {
    std::string what;
    std::string remedy; // the lines to write, or the command
};

// Of a volume that is up: its device is there to be looked at. Whatever cannot be looked at is left out.
std::vector<OtherUser> other_users(const VolumeConfig& config);

// What is wrong with an origin that holds something of that type (libblkid's), if anything is.
std::vector<OtherUser> users_of_type(const std::string& type, const std::string& disk,
                                     const std::string& volume);

// A line for lvmlocal.conf that has LVM leave out the disk and all snapshots.
std::string lvm_filter(const std::string& disk);

// On stderr, each with its remedy.
void tell_of_others(const VolumeConfig& config);

} // namespace zumastor
