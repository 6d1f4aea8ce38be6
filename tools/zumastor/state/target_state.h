// SPDX-License-Identifier: GPL-2.0
// What an upstream volume remembers of each of its replicas: /var/lib/zumastor/.state/VOL/target-UUID.json,
// named for the replica's store, so that a host may change its name. The snapshots named there are kept: the
// next stream to that replica is based on one of them.
//
// Read, changed and saved with the volume's lock held: a cycle that ends and a snapshot that is taken both
// change it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tools/common/border.h"
#include "tools/common/host_name.h"

namespace zumastor {

struct TargetState {
    UuidText replica;      // UUID of its store
    HostName host;         // the target it was last reached as; empty: it asked by itself
    VolumeName volume;     // its name there
    std::string base;      // UUID of the snapshot that it has; empty: none yet
    std::string in_flight; // UUID of the one that is being sent; empty: none
    std::string marked;    // UUID of the one that its bookmark goes up to (bookmark.h); empty: there is none

    bool operator==(const TargetState&) const = default;
};

std::vector<TargetState> load_target_states(const std::string& directory);
TargetState load_target_state(const std::string& directory, const UuidText& replica);
void save_target_state(const std::string& directory, const TargetState& state);
void forget_target_state(const std::string& directory, const UuidText& replica);

// UUIDs of the snapshots that replication needs here: bases, those being sent, and on a replica the one that
// was received last. No rotation may delete them.
std::set<std::string> snapshots_in_use(const std::string& directory);

} // namespace zumastor
