// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/target_state.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/bookmark.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;
constexpr int kTargetVersion = 1;

std::string target_file(const std::string& directory, const UuidText& replica)
{
    return directory + "/target-" + replica + ".json";
}

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

TargetState read_state(const std::string& text, const std::string& path)
{
    try {
        const auto object = nlohmann::json::parse(text);
        if (object.at("version").get<int>() != kTargetVersion) {
            throw Failure(Exit::failed, path + ": written by another version of zumastor");
        }
        return {UuidText::need(object.at("replica").get<std::string>()),
                host_of(object, path),
                volume_of(object),
                object.at("base").get<std::string>(),
                object.at("in_flight").get<std::string>(),
                object.value("marked", "")};
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "if it cannot be mended, remove it: the replica's base is not kept any more then");
    }
}

} // namespace

std::vector<TargetState> load_target_states(const std::string& directory)
{
    std::vector<TargetState> states;
    for (const fs::path& path : entries_of(directory).need().value_or(std::vector<fs::path>{})) {
        const std::string name = path.filename().string();
        if (name.starts_with("target-") && name.ends_with(".json")) {
            if (const auto text = text_of(path.string()).need()) { // else it was forgotten just now
                states.push_back(read_state(*text, path.string()));
            }
        }
    }
    return states;
}

TargetState load_target_state(const std::string& directory, const UuidText& replica)
{
    const std::string path = target_file(directory, replica);
    const auto text = text_of(path).need();
    return text ? read_state(*text, path) : TargetState{replica, {}, {}, {}, {}, {}};
}

void save_target_state(const std::string& directory, const TargetState& state)
{
    std::error_code error;
    fs::create_directories(directory, error);
    const nlohmann::ordered_json object{{"version", kTargetVersion}, {"replica", state.replica.str()},
                                        {"host", state.host.str()},  {"volume", state.volume.str()},
                                        {"base", state.base},        {"in_flight", state.in_flight},
                                        {"marked", state.marked}};
    write_text(target_file(directory, state.replica), object.dump(2) + "\n");
}

void forget_target_state(const std::string& directory, const UuidText& replica)
{
    remove_file(target_file(directory, replica));
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
