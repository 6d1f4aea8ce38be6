// SPDX-License-Identifier: GPL-2.0
// What the system knows of a device besides its name, which changes: for the store's record of its origin
// (libsnapstore/src/format/origin_record.h).
#pragma once

#include <string>

namespace ddsnap {

// Words "kind=value" of the device, or file, that is open there; empty if nothing is known.
//
//   wwid, serial   of the disk, from sysfs: what the disk, or the hypervisor, says of itself
//   dm             device-mapper's uuid: of a logical volume, a crypt or a multipath device
//   part           the partition's UUID, from its table
//   fs             UUID of the filesystem, or of what else libblkid finds; of a partition table if that is
//   all
//
// Reads the disk (past the page cache, which may be older than the disk: the volume's device writes past it),
// allocates. What cannot be read is left out.
std::string identity_of_device(int fd);

} // namespace ddsnap
