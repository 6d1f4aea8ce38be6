// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/revert_state.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

constexpr int kRevertVersion = 1;

StateFile revert_file(const std::string& directory)
{
    return {directory, "revert.json", kRevertVersion,
            "a revert was not finished: remove the file, then revert the volume again"};
}

} // namespace

std::optional<RevertState> load_revert(const std::string& state_directory)
{
    std::optional<RevertState> state;
    revert_file(state_directory).load([&](const nlohmann::json& object) {
        RevertState read{object.at("to").get<std::string>(), object.at("undo").get<std::string>(), {}};
        for (const auto& kept : object.at("kept")) {
            read.kept.push_back({kept.at("snapshot").get<std::string>(), kept.at("priority").get<int>()});
        }
        state = std::move(read);
    });
    return state;
}

void save_revert(const std::string& state_directory, const RevertState& state)
{
    nlohmann::ordered_json kept = nlohmann::ordered_json::array();
    for (const RevertState::Kept& snapshot : state.kept) {
        kept.push_back({{"snapshot", snapshot.uuid}, {"priority", snapshot.priority}});
    }
    revert_file(state_directory).save({{"to", state.to}, {"undo", state.undo}, {"kept", kept}});
}

void forget_revert(const std::string& state_directory) { revert_file(state_directory).remove(); }

void begin_revert(const std::string& state_directory, Daemon& daemon, const std::string& to,
                  const std::string& undo)
{
    RevertState state = load_revert(state_directory).value_or(RevertState{});
    state.to = to;
    state.undo = undo;
    std::vector<std::uint64_t> unprotected;
    for (const SnapshotEntry& snapshot : daemon.list()) {
        const bool known = std::any_of(state.kept.begin(), state.kept.end(),
                                       [&](const auto& kept) { return kept.uuid == snapshot.uuid; });
        if (snapshot.uuid != to && snapshot.uuid != undo) {
            continue;
        }
        if (!known) {
            state.kept.push_back({snapshot.uuid, snapshot.priority});
        }
        unprotected.push_back(snapshot.id);
    }
    save_revert(state_directory, state); // first: it can be undone then
    for (const std::uint64_t id : unprotected) {
        daemon.set_priority(id, kNeverSquashed);
    }
}

void end_revert(const std::string& state_directory, Daemon& daemon)
{
    const auto state = load_revert(state_directory);
    if (!state) {
        return;
    }
    for (const SnapshotEntry& snapshot : daemon.list()) {
        for (const RevertState::Kept& kept : state->kept) {
            if (snapshot.uuid == kept.uuid && snapshot.priority == kNeverSquashed) {
                daemon.set_priority(snapshot.id, kept.priority);
            }
        }
    }
    forget_revert(state_directory);
}

void refuse_half_reverted(const std::string& state_directory, const std::string& volume)
{
    if (const auto state = load_revert(state_directory)) {
        throw Failure(
            Exit::failed,
            "volume " + volume + ": a revert to snapshot " + state->to +
                " was interrupted: its origin is a mixture",
            "finish it: zumastor revert " + volume + " " + state->to +
                (state->undo.empty() ? "" : "; or go back: zumastor revert " + volume + " " + state->undo));
    }
}

} // namespace zumastor
