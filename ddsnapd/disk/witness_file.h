// SPDX-License-Identifier: GPL-2.0
// Where a store's witness is (libsnapstore/src/store/loss.h): a file of one block for each store that a
// daemon of this host has had, named for the store, so that whoever opens it finds the file whatever he knows
// of the volume.
#pragma once

#include <string>

#include "ddsnapd/disk/unique_fd.h"
#include "snapstore/types.h"

namespace ddsnap {

inline constexpr const char* kWitnessDirectory = "/var/lib/zumastor/.witness";

std::string witness_path(const std::string& directory, const snapstore::Uuid& store);

// Makes the file, durably, unless it is there. Empty, or what went wrong.
std::string make_witness(const std::string& path);

// Is the file on one of these devices (st_rdev; 0: none), or on one that is made of them? Then it fails with
// them, or waits for the very daemon that writes it. False also if that cannot be seen.
bool lies_on(const std::string& path, unsigned long long origin, unsigned long long store);

} // namespace ddsnap
