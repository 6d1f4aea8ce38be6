// SPDX-License-Identifier: GPL-2.0
// A replica becomes the master.
//
//   nobody receives ── origin = last complete snapshot ── unmount ── former.json ── configuration ── mount
//
// The configuration is what decides: an interruption before leaves a replica, after it a master that
// `zumastor start master` mounts. Each step can be repeated.
#pragma once

#include <string>

#include "tools/common/failure.h"
#include "tools/zumastor/config/config.h"

namespace zumastor {

struct Promotion {
    std::string volume;
    MasterRole role{};
    bool force = false; // who uses the replica is cut off, and named
    bool yes = false;   // nothing is asked
    bool dry_run = false;
};

// Asks, promotes, mounts, and tells the administrator. Throws Failure; then it is the replica that it was.
Exit promote(const Promotion& given);

} // namespace zumastor
