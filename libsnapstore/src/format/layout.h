// SPDX-License-Identifier: GPL-2.0
// How the devices of a new store are divided.
#pragma once

#include "format/superblock.h"
#include "snapstore/store.h"

namespace snapstore {

// The superblock of a new, empty store. too_small or invalid if there is none for these devices.
Result<Superblock> plan_layout(const Devices& devices, const Format& format);

// Blocks of metadata for so many data chunks: every chunk an exception, a quarter more for ZERO ones, nodes
// half full, everything twice (copy-on-write); the tables three times; and a fixed piece so that small stores
// have room for the splits of concurrent copies.
std::uint64_t zone_for(std::uint64_t chunks, std::uint64_t snapshots);

} // namespace snapstore
