// SPDX-License-Identifier: GPL-2.0
// Snapshots as people call them.
#pragma once

#include <string>
#include <vector>

#include "tools/common/daemon.h"
#include "tools/zumastor/config/config.h"

namespace zumastor {

// `text` is a number, a UUID, a name, "latest", or a place in a rotation ("hourly.0"). Throws
// Exit::not_found, saying what there is, or Exit::usage if a name is that of several.
const SnapshotEntry& find_snapshot(const std::vector<SnapshotEntry>& snapshots, const VolumeConfig& config,
                                   const std::string& text);

} // namespace zumastor
