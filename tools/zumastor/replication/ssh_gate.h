// SPDX-License-Identifier: GPL-2.0
// What a key for replication may do.
#pragma once

#include <string>
#include <vector>

namespace zumastor {

struct GateRights {
    std::vector<std::string> volumes;
    bool send = false;    // the key may be sent their snapshots
    bool receive = false; // it may send snapshots to them
};

// Whether such a key may run this command.
bool gate_allows(const GateRights& rights, const std::vector<std::string>& words);

} // namespace zumastor
