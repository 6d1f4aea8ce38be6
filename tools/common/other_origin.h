// SPDX-License-Identifier: GPL-2.0
// An origin that is not the one that its store is of, and is meant: a disk restored from a backup, for
// example.
#pragma once

#include <string>

#include "tools/common/offline_store.h"

namespace zumastor {

// Why it is another one; empty if it is the right one. As OfflineStore: no daemon may have the store.
std::string why_other_origin(const StorePaths& paths);

// What `accept` does to the snapshots, as a question to the user.
std::string describe_acceptance(const StorePaths& paths, bool keep_snapshots);

// From now on the store is of that origin. Its snapshots are given up (squashed), durably, or kept: then they
// show what this origin holds wherever they shared chunks with the other one. Of the right origin it changes
// nothing. Returns how many snapshots were given up.
std::size_t accept_origin(const StorePaths& paths, bool keep_snapshots);

} // namespace zumastor
