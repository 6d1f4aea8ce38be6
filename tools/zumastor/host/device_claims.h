// SPDX-License-Identifier: GPL-2.0
// Two volumes on one device would each be wrong about what is on it.
#pragma once

#include <string>
#include <vector>

#include "tools/zumastor/config/config.h"

namespace zumastor {

struct Claim {
    std::string volume; // another one
    std::string what;   // "/dev/sdb1", or "the store 0123…": what both have
};

// Do both lead to one device, or one file? What is not there is compared by name.
bool same_device(const std::string& a, const std::string& b);

// What `config` has in common with each of the others, the first thing of each.
std::vector<Claim> common_claims(const VolumeConfig& config, const std::vector<VolumeConfig>& others);
// The same with all other volumes that are configured. One whose file cannot be read is left out: it cannot
// be started either.
std::vector<Claim> claims_of_others(const VolumeConfig& config);

// Throws Exit::busy, naming both volumes and what they share. No lock is held on the other volumes: of two
// that are defined or started at the same moment, the daemons' exclusive opening of the devices lets one go
// on.
void refuse_claimed(const VolumeConfig& config);

} // namespace zumastor
