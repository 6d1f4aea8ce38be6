// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/commands/completion.h"

#include "tools/zumastor/config/config.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {
namespace {

std::vector<std::string> snapshot_names(const Volume& volume)
{
    std::vector<std::string> names;
    auto daemon = volume.try_daemon();
    if (!daemon) {
        return names;
    }
    const std::vector<SnapshotEntry> list = daemon->list();
    if (!list.empty()) {
        names.emplace_back("latest");
    }
    for (const SnapshotEntry& snapshot : list) {
        names.push_back(std::to_string(snapshot.id));
        if (!snapshot.name.empty()) {
            names.push_back(snapshot.name);
        }
    }
    for (const auto& [link, id] : kind_links(list, volume.config().schedule)) {
        names.push_back(link);
    }
    return names;
}

std::vector<std::string> hosts_of(const VolumeConfig& config)
{
    std::vector<std::string> hosts;
    for (const Target& target : config.targets) {
        hosts.push_back(target.host);
    }
    if (config.source) {
        hosts.push_back(config.source->host);
    }
    return hosts;
}

std::vector<std::string> kinds_of(const VolumeConfig& config)
{
    std::vector<std::string> kinds;
    for (const Kind& kind : config.schedule) {
        kinds.push_back(kind.name);
    }
    return kinds;
}

} // namespace

std::vector<std::string> names_of(const std::string& argument, const std::string& volume)
{
    try {
        if (argument == "VOL") {
            std::vector<std::string> names = list_volumes(); // names of files
            std::erase_if(names, [](const std::string& name) { return !VolumeName::from(name); });
            return names;
        }
        if (argument == "METHOD") {
            return {"none", "zstd"};
        }
        if (volume.empty()) {
            return {};
        }
        const VolumeConfig config = load_config(volume);
        if (argument.starts_with("SNAP")) {
            return snapshot_names(Volume(config));
        }
        if (argument == "HOST") {
            return hosts_of(config);
        }
        if (argument == "KIND") {
            return kinds_of(config);
        }
    } catch (const Failure&) {
        return {}; // a shell's prompt is no place for messages; the command itself will say it
    }
    return {};
}

} // namespace zumastor
