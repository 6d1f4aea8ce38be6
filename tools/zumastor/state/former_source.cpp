// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/former_source.h"

#include <nlohmann/json.hpp>

#include "tools/zumastor/config/names.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

constexpr int kFormerVersion = 1;

StateFile former_file(const std::string& directory)
{
    return {directory, "former.json", kFormerVersion,
            "if the file cannot be repaired, remove it, and name the host to zumastor reverse"};
}

} // namespace

std::optional<FormerSource> load_former_source(const std::string& directory)
{
    const StateFile file = former_file(directory);
    std::optional<FormerSource> former;
    file.load([&](const nlohmann::json& object) {
        SourceRole source;
        source.host = HostName::need(object.at("host").get<std::string>(), file.path())
                          .with_port(object.at("port").get<std::uint64_t>(), file.path());
        const auto volume = object.at("volume").get<std::string>();
        source.volume = volume.empty() ? VolumeName{} : VolumeName::need(volume);
        source.mount_snapshots = object.at("mount_snapshots").get<bool>();
        source.bytes_per_second = read_limit(object);
        if (const auto user = object.value("ssh_user", std::string()); !user.empty()) {
            source.ssh_user = LoginName::need(user, file.path());
        }
        former = {source, object.at("base").get<std::string>()};
    });
    return former;
}

void save_former_source(const std::string& directory, const FormerSource& former)
{
    former_file(directory).save({{"host", former.source.host.without_port().str()},
                                 {"port", former.source.host.port()},
                                 {"volume", former.source.volume.str()},
                                 {"mount_snapshots", former.source.mount_snapshots},
                                 {"bytes_per_second", former.source.bytes_per_second},
                                 {"ssh_user", former.source.ssh_user.str()},
                                 {"base", former.base}});
}

void remove_former_source(const std::string& directory) { former_file(directory).remove(); }

bool forget_former_source(const std::string& directory)
{
    if (!load_former_source(directory)) {
        return false;
    }
    ReplicaState state = load_replica_state(directory);
    state.last.clear();
    save_replica_state(directory, state);
    remove_former_source(directory);
    return true;
}

void release_former_base(const std::string& directory, const std::string& replica)
{
    ReplicaState state = load_replica_state(directory);
    if (state.lineage == replica && !state.last.empty() && load_former_source(directory)) {
        state.last.clear();
        save_replica_state(directory, state);
    }
}

} // namespace zumastor
