// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/holds.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {
namespace {

constexpr int kHoldsVersion = 1;
constexpr std::array kStateNames{"held", "acquiring", "releasing"};

std::string holds_file(const std::string& directory) { return directory + "/holds.json"; }

Hold::State state_named(const std::string& name)
{
    for (std::size_t i = 0; i < kStateNames.size(); ++i) {
        if (name == kStateNames[i]) {
            return static_cast<Hold::State>(i);
        }
    }
    throw Failure(Exit::failed, "a hold is in no state called '" + name + "'");
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
    const std::string path = holds_file(directory);
    const auto text = text_of(path).need();
    if (!text) {
        return {};
    }
    try {
        const auto object = nlohmann::json::parse(*text);
        if (object.at("version").get<int>() != kHoldsVersion) {
            throw Failure(Exit::failed, path + ": written by another version of zumastor");
        }
        std::vector<Hold> holds;
        for (const auto& one : object.at("holds")) {
            holds.push_back({one.at("uuid").get<std::string>(),
                             state_named(one.at("state").get<std::string>()),
                             one.at("before").get<std::uint64_t>()});
        }
        return holds;
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "if it cannot be mended, remove it, and lower the use counts of snapshots that nobody "
                      "needs: ddsnap usecount");
    }
}

void save_holds(const std::string& directory, const std::vector<Hold>& holds)
{
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Hold& hold : holds) {
        list.push_back({{"uuid", hold.uuid},
                        {"state", kStateNames.at(static_cast<std::size_t>(hold.state))},
                        {"before", hold.before}});
    }
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    write_text(holds_file(directory),
               nlohmann::ordered_json{{"version", kHoldsVersion}, {"holds", list}}.dump(2) + "\n");
}

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
