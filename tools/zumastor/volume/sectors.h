// SPDX-License-Identifier: GPL-2.0
// A filesystem can be mounted where sectors are not larger than what it was made for. A snapshot has the
// sectors of its origin (or of its store, if they are larger: `define` refuses that), whatever the volume has
// that its content comes from. So both ends of a replication say what they have, and what cannot be shown is
// not begun.
//
//   what is sent        can be on sectors of 512        of 4096
//   replica of 512      yes                             yes
//   replica of 4096     no                              yes
//
// The metadata device's sectors do not matter: its blocks are of 4 KiB. (replica-sectors.test)
#pragma once

#include <cstdint>
#include <string>

#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// The largest sectors that what the volume holds can be on: the filesystem's own word, else its origin's
// sectors. Bytes; 0: not known.
std::uint32_t sectors_needed(const Volume& volume);
// The sectors that the volume's snapshots have.
std::uint32_t sectors_here(const VolumeConfig& config);

// Throws Exit::mismatch if what can be on sectors of `needed` bytes at most would come to some of `here`; a
// 0: nobody knows. `upstream` and `replica` are for the message: "volume a", "volume a on host".
void refuse_larger_sectors(std::uint64_t needed, std::uint64_t here, const std::string& upstream,
                           const std::string& replica);

} // namespace zumastor
