// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/shown_snapshot.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/state_file.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

constexpr int kShownVersion = 1;

StateFile shown_file(const std::string& directory)
{
    return {directory, "shown.json", kShownVersion, "remove the file; a snapshot may then keep priority 127"};
}

struct Shown {
    std::string uuid;
    int priority = 0; // that it had
};

std::optional<Shown> load_shown(const std::string& directory)
{
    std::optional<Shown> shown;
    shown_file(directory).load([&](const nlohmann::json& object) {
        shown = Shown{object.at("snapshot").get<std::string>(), object.at("priority").get<int>()};
    });
    return shown;
}

} // namespace

void show_newest(Volume& volume, Daemon& daemon)
{
    const std::string last = load_replica_state(volume.paths().state).last;
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (snapshot.uuid == last && !snapshot.squashed) {
            show_snapshot(volume, snapshot);
        }
    }
}

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
    // First: it can be undone then.
    shown_file(state_directory).save({{"snapshot", uuid}, {"priority", found->priority}});
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
    shown_file(state_directory).remove();
}

} // namespace zumastor
