// SPDX-License-Identifier: GPL-2.0
// Use counts of the snapshots that replication needs: a store that is full gives them up last, and nobody
// deletes them by mistake. Each such snapshot is counted once, however many replicas need it.
//
// Invariant: /var/lib/zumastor/.state/VOL/holds.json names every snapshot whose count has been raised. A
// change is written down before it is made, with the count as it was: after a crash the count itself says
// whether it had been made. So counts neither leak nor fall below what others have added. (A count that
// somebody else changes just between such a crash and the next command is taken wrongly, by one.)
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tools/common/daemon.h"

namespace zumastor {

struct Hold {
    enum class State : std::uint8_t { held, acquiring, releasing };
    std::string uuid;
    State state = State::held;
    std::uint64_t before = 0; // acquiring, releasing: the use count before it

    bool operator==(const Hold&) const = default;
};

// What is to be done. Pure.
struct HoldPlan {
    std::vector<Hold> holds;             // with what is begun now
    std::vector<std::uint64_t> to_raise; // snapshots' numbers
    std::vector<std::uint64_t> to_lower;
};
HoldPlan plan_holds(const std::vector<SnapshotEntry>& snapshots, const std::set<std::string>& needed,
                    const std::vector<Hold>& before);

std::vector<Hold> load_holds(const std::string& directory);
void save_holds(const std::string& directory, const std::vector<Hold>& holds);

} // namespace zumastor
