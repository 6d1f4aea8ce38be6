// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/revert_state.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"

namespace zumastor {
namespace {

constexpr int kRevertVersion = 1;

std::string revert_file(const std::string& directory) { return directory + "/revert.json"; }

} // namespace

std::optional<RevertState> load_revert(const std::string& state_directory)
{
    const std::string path = revert_file(state_directory);
    const auto text = text_of(path).need();
    if (!text) {
        return std::nullopt;
    }
    try {
        const auto object = nlohmann::json::parse(*text);
        if (object.at("version").get<int>() != kRevertVersion) {
            throw Failure(Exit::failed, path + ": written by another version of zumastor");
        }
        RevertState state{object.at("to").get<std::string>(), object.at("undo").get<std::string>(), {}};
        for (const auto& kept : object.at("kept")) {
            state.kept.push_back({kept.at("snapshot").get<std::string>(), kept.at("priority").get<int>()});
        }
        return state;
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "a revert was not finished: remove the file, then revert the volume again");
    }
}

void save_revert(const std::string& state_directory, const RevertState& state)
{
    nlohmann::ordered_json kept = nlohmann::ordered_json::array();
    for (const RevertState::Kept& snapshot : state.kept) {
        kept.push_back({{"snapshot", snapshot.uuid}, {"priority", snapshot.priority}});
    }
    const nlohmann::ordered_json object{
        {"version", kRevertVersion}, {"to", state.to}, {"undo", state.undo}, {"kept", kept}};
    std::filesystem::create_directories(state_directory);
    write_text(revert_file(state_directory), object.dump(2) + "\n");
}

void forget_revert(const std::string& state_directory) { remove_file(revert_file(state_directory)); }

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
                " was broken off: its origin is a mixture",
            "finish it: zumastor revert " + volume + " " + state->to +
                (state->undo.empty() ? "" : "; or go back: zumastor revert " + volume + " " + state->undo));
    }
}

} // namespace zumastor
