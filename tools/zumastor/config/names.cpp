// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/names.h"

#include <unistd.h>

#include <filesystem>

#include "snapstore/texts.h"
#include "tools/common/store_owner.h"
#include "tools/common/text.h"

namespace zumastor {

const std::string Paths::kConfigDirectory = zumastor::kConfigDirectory;

void check_volume_name(const std::string& name) { VolumeName::need(name); }

void check_kind_name(const std::string& name)
{
    if (!snapstore::is_snapshot_kind(name)) {
        throw Failure(Exit::usage, "'" + shown(name, 64) + "' cannot be the name of a kind of snapshots",
                      "use up to 24 letters, digits, - and _, a letter or digit first");
    }
}

Paths::Paths(const VolumeName& volume)
    : config(kConfigDirectory + "/" + volume + ".toml"), runtime("/run/zumastor/" + volume),
      agent_socket(runtime + "/agent.sock"), server_socket(runtime + "/server.sock"),
      pid_file(runtime + "/server.pid"), lock("/run/zumastor/." + volume + ".lock"),
      state("/var/lib/zumastor/.state/" + volume), default_mount("/run/zumastor/mount/" + volume),
      default_snapshots("/run/zumastor/snapshot/" + volume), origin_name(volume),
      origin_device("/dev/mapper/" + volume)
{}

std::string Paths::snapshot_name(std::uint64_t id) const { return origin_name + "@" + std::to_string(id); }

std::string Paths::snapshot_device(std::uint64_t id) const
{
    return origin_device + "@" + std::to_string(id);
}

std::string prepare_log_file(const Paths& paths, const std::string& volume)
{
    std::error_code error;
    const std::string directory = "/var/log/zumastor/" + volume;
    std::filesystem::create_directories(directory, error);
    if (!error && ::access(directory.c_str(), W_OK) == 0) {
        return directory + "/server.log";
    }
    return paths.runtime + "/server.log";
}

} // namespace zumastor
