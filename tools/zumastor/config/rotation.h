// SPDX-License-Identifier: GPL-2.0
// Which snapshots a rotation drops, and which links and directories the others have. Pure: from the store's
// list and the schedule alone, so that after any interruption the next run comes to the same result.
//
// A snapshot's kinds are in its tag, separated by commas; no tag: taken by hand, outside of any rotation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/common/daemon.h"
#include "tools/zumastor/config/config.h"

namespace zumastor {

std::vector<std::string> kinds_of(const SnapshotEntry& snapshot);

// The snapshots that every one of their kinds has rotated out, oldest first. A snapshot of a kind that is not
// (or no longer) in the schedule stays, and what was kept (kinds.h). `snapshots`: oldest first.
std::vector<std::uint64_t> rotated_out(const std::vector<SnapshotEntry>& snapshots,
                                       const std::vector<Kind>& schedule);

// "hourly.0" (the newest) → number, for every kind that a snapshot has, as many as the schedule keeps.
// Squashed snapshots have no content and so no links.
std::map<std::string, std::uint64_t> kind_links(const std::vector<SnapshotEntry>& snapshots,
                                                const std::vector<Kind>& schedule);

// The directory that a snapshot is to be mounted at: its time in UTC; ".N" with its number is added if an
// older snapshot of the list is of the same second.
std::map<std::uint64_t, std::string> directory_names(const std::vector<SnapshotEntry>& snapshots);

// Is this the name of a link that kind_links() could have given ("hourly.3")?
bool is_kind_link(const std::string& name);

} // namespace zumastor
