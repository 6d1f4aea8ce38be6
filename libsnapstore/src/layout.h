// SPDX-License-Identifier: GPL-2.0
// How the devices of a new store are divided.
#pragma once

#include "snapstore/store.h"
#include "superblock.h"

namespace snapstore {

// The superblock of a new, empty store. too_small or invalid if there is none for these devices.
Result<Superblock> plan_layout(const Devices& devices, const Format& format);

} // namespace snapstore
