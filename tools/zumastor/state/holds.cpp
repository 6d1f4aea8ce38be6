// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/holds.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

constexpr int kHoldsVersion = 1;
constexpr std::array kStateNames{"held", "acquiring", "releasing"};

StateFile holds_file(const std::string& directory)
{
    return {directory, "holds.json", kHoldsVersion,
            "if the file cannot be repaired, remove it, and lower the use counts of "
            "snapshots that are not needed: ddsnap usecount"};
}

Hold::State state_named(const std::string& name)
{
    for (std::size_t i = 0; i < kStateNames.size(); ++i) {
        if (name == kStateNames[i]) {
            return static_cast<Hold::State>(i);
        }
    }
    throw Failure(Exit::failed, "a hold has the unknown state '" + name + "'");
}

// Whether the count has been raised for it, whatever a crash interrupted.
bool is_raised(const Hold& hold, const SnapshotEntry& snapshot)
{
    switch (hold.state) {
    case Hold::State::acquiring:
        return snapshot.use_count > hold.before;
    case Hold::State::releasing:
        return snapshot.use_count >= hold.before;
    case Hold::State::held:
        break;
    }
    return true;
}

} // namespace

HoldPlan plan_holds(const std::vector<SnapshotEntry>& snapshots, const std::set<std::string>& needed,
                    const std::vector<Hold>& before)
{
    HoldPlan plan;
    for (const SnapshotEntry& snapshot : snapshots) {
        const auto known = std::find_if(before.begin(), before.end(),
                                        [&](const Hold& hold) { return hold.uuid == snapshot.uuid; });
        const bool raised = known != before.end() && is_raised(*known, snapshot);
        const bool wanted = needed.count(snapshot.uuid) > 0 && !snapshot.squashed;
        if (raised && wanted) {
            plan.holds.push_back({snapshot.uuid, Hold::State::held, 0});
        } else if (raised) {
            plan.holds.push_back({snapshot.uuid, Hold::State::releasing, snapshot.use_count});
            plan.to_lower.push_back(snapshot.id);
        } else if (wanted) {
            plan.holds.push_back({snapshot.uuid, Hold::State::acquiring, snapshot.use_count});
            plan.to_raise.push_back(snapshot.id);
        }
    }
    return plan;
}

std::vector<Hold> load_holds(const std::string& directory)
{
    std::vector<Hold> holds;
    holds_file(directory).load([&](const nlohmann::json& object) {
        for (const auto& one : object.at("holds")) {
            holds.push_back({one.at("uuid").get<std::string>(),
                             state_named(one.at("state").get<std::string>()),
                             one.at("before").get<std::uint64_t>()});
        }
    });
    return holds;
}

void save_holds(const std::string& directory, const std::vector<Hold>& holds)
{
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Hold& hold : holds) {
        list.push_back({{"uuid", hold.uuid},
                        {"state", kStateNames.at(static_cast<std::size_t>(hold.state))},
                        {"before", hold.before}});
    }
    holds_file(directory).save({{"holds", list}});
}

} // namespace zumastor
