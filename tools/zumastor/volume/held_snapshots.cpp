// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/held_snapshots.h"

#include <set>
#include <string>
#include <vector>

#include "tools/zumastor/state/holds.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {

void sync_holds(const Volume& volume, Daemon& daemon)
{
    const std::string& directory = volume.paths().state;
    const std::vector<Hold> before = load_holds(directory);
    const std::set<std::string> needed = snapshots_in_use(directory);
    HoldPlan plan = plan_holds(daemon.list(), needed, before);
    if (plan.holds != before) {
        save_holds(directory, plan.holds);
    }
    for (const std::uint64_t id : plan.to_raise) {
        daemon.add_use(id, 1);
    }
    for (const std::uint64_t id : plan.to_lower) {
        daemon.add_use(id, -1);
    }
    if (plan.to_raise.empty() && plan.to_lower.empty()) {
        return;
    }
    std::erase_if(plan.holds, [](const Hold& hold) { return hold.state == Hold::State::releasing; });
    for (Hold& hold : plan.holds) {
        hold = {hold.uuid, Hold::State::held, 0};
    }
    save_holds(directory, plan.holds);
}

} // namespace zumastor
