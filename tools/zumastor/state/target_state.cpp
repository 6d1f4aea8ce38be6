// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/target_state.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/state/bookmark_file.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;
constexpr int kTargetVersion = 1;

StateFile target_file(const std::string& directory, const std::string& name)
{
    return {directory, name, kTargetVersion,
            "if the file cannot be repaired, remove it: the replica's base is not held any more then"};
}

std::string name_for(const UuidText& replica) { return "target-" + replica + ".json"; }

VolumeName volume_of(const nlohmann::json& object)
{
    const auto name = object.at("volume").get<std::string>();
    return name.empty() ? VolumeName{} : VolumeName::need(name);
}

HostName host_of(const nlohmann::json& object, const std::string& path)
{
    const auto host = object.at("host").get<std::string>();
    return host.empty() ? HostName{} : HostName::need(host, path);
}

TargetState read_state(const nlohmann::json& object, const std::string& path)
{
    return {UuidText::need(object.at("replica").get<std::string>()),
            host_of(object, path),
            volume_of(object),
            object.at("base").get<std::string>(),
            object.at("in_flight").get<std::string>(),
            object.value("marked", "")};
}

} // namespace

std::vector<TargetState> load_target_states(const std::string& directory)
{
    std::vector<TargetState> states;
    for (const fs::path& path : entries_of(directory).need().value_or(std::vector<fs::path>{})) {
        const std::string name = path.filename().string();
        if (name.starts_with("target-") && name.ends_with(".json")) {
            const StateFile file = target_file(directory, name); // gone: it was forgotten just now
            file.load(
                [&](const nlohmann::json& object) { states.push_back(read_state(object, file.path())); });
        }
    }
    return states;
}

TargetState load_target_state(const std::string& directory, const UuidText& replica)
{
    const StateFile file = target_file(directory, name_for(replica));
    TargetState state{replica, {}, {}, {}, {}, {}};
    file.load([&](const nlohmann::json& object) { state = read_state(object, file.path()); });
    return state;
}

void save_target_state(const std::string& directory, const TargetState& state)
{
    target_file(directory, name_for(state.replica))
        .save({{"replica", state.replica.str()},
               {"host", state.host.str()},
               {"volume", state.volume.str()},
               {"base", state.base},
               {"in_flight", state.in_flight},
               {"marked", state.marked}});
}

void forget_target_state(const std::string& directory, const UuidText& replica)
{
    target_file(directory, name_for(replica)).remove();
    remove_file(bookmark_file(directory, replica));
}

std::set<std::string> snapshots_in_use(const std::string& directory)
{
    std::set<std::string> used;
    for (const TargetState& state : load_target_states(directory)) {
        used.insert(state.base);
        used.insert(state.in_flight);
        used.insert(state.marked);
    }
    used.insert(load_replica_state(directory).last);
    used.erase("");
    return used;
}

} // namespace zumastor
