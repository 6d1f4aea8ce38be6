// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/former_source.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/replication/session_fields.h"
#include "tools/zumastor/state/replica_state.h"

namespace zumastor {
namespace {

constexpr int kFormerVersion = 1;

std::string former_file(const std::string& directory) { return directory + "/former.json"; }

} // namespace

std::optional<FormerSource> load_former_source(const std::string& directory)
{
    const std::string path = former_file(directory);
    const auto text = text_of(path).need();
    if (!text) {
        return std::nullopt;
    }
    try {
        const auto object = nlohmann::json::parse(*text);
        if (object.at("version").get<int>() != kFormerVersion) {
            throw Failure(Exit::failed, path + ": written by another version of zumastor");
        }
        FormerSource former;
        former.source.host = HostName::need(object.at("host").get<std::string>(), path)
                                 .with_port(object.at("port").get<std::uint64_t>(), path);
        const auto volume = object.at("volume").get<std::string>();
        former.source.volume = volume.empty() ? VolumeName{} : VolumeName::need(volume);
        former.source.mount_snapshots = object.at("mount_snapshots").get<bool>();
        former.source.bytes_per_second = read_limit(object);
        if (const auto user = object.value("ssh_user", std::string()); !user.empty()) {
            former.source.ssh_user = LoginName::need(user, path);
        }
        former.base = object.at("base").get<std::string>();
        return former;
    } catch (const BadLine& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "if it cannot be mended, remove it: name the host to zumastor reverse then");
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "if it cannot be mended, remove it: name the host to zumastor reverse then");
    }
}

void save_former_source(const std::string& directory, const FormerSource& former)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    const nlohmann::ordered_json object{{"version", kFormerVersion},
                                        {"host", former.source.host.without_port().str()},
                                        {"port", former.source.host.port()},
                                        {"volume", former.source.volume.str()},
                                        {"mount_snapshots", former.source.mount_snapshots},
                                        {"bytes_per_second", former.source.bytes_per_second},
                                        {"ssh_user", former.source.ssh_user.str()},
                                        {"base", former.base}};
    write_text(former_file(directory), object.dump(2) + "\n");
}

void remove_former_source(const std::string& directory) { remove_file(former_file(directory)); }

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
