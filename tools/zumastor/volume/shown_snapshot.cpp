// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/shown_snapshot.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"

namespace zumastor {
namespace {

constexpr int kShownVersion = 1;

std::string shown_file(const std::string& directory) { return directory + "/shown.json"; }

struct Shown {
    std::string uuid;
    int priority = 0; // that it had
};

std::optional<Shown> load_shown(const std::string& directory)
{
    const std::string path = shown_file(directory);
    const auto text = text_of(path).need();
    if (!text) {
        return std::nullopt;
    }
    try {
        const auto object = nlohmann::json::parse(*text);
        return Shown{object.at("snapshot").get<std::string>(), object.at("priority").get<int>()};
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "remove it; a snapshot may then keep priority 127");
    }
}

} // namespace

void protect_shown(const std::string& state_directory, Daemon& daemon, const std::string& uuid)
{
    if (const auto shown = load_shown(state_directory); shown && shown->uuid == uuid) {
        return;
    }
    release_shown(state_directory, daemon);
    const std::vector<SnapshotEntry> list = daemon.list();
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const SnapshotEntry& s) { return s.uuid == uuid; });
    if (found == list.end() || found->squashed || found->priority == kNeverSquashed) {
        return;
    }
    const nlohmann::ordered_json object{
        {"version", kShownVersion}, {"snapshot", uuid}, {"priority", found->priority}};
    std::filesystem::create_directories(state_directory);
    write_text(shown_file(state_directory), object.dump(2) + "\n"); // first: it can be undone then
    daemon.set_priority(found->id, kNeverSquashed);
}

void release_shown(const std::string& state_directory, Daemon& daemon)
{
    const auto shown = load_shown(state_directory);
    if (!shown) {
        return;
    }
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (snapshot.uuid == shown->uuid && snapshot.priority == kNeverSquashed) {
            daemon.set_priority(snapshot.id, shown->priority);
        }
    }
    remove_file(shown_file(state_directory));
}

} // namespace zumastor
