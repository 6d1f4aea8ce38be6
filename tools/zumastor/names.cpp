// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/names.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "tools/common/failure.h"
#include "tools/common/store_owner.h"

namespace zumastor {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
// What device-mapper allows, but for '@', which separates a snapshot's number.
constexpr std::string_view kVolumeMarks = "#+-.:=_";
constexpr std::string_view kKindMarks = "-_";
constexpr std::size_t kMaxVolume = 64; // socket paths have 107 bytes
constexpr std::size_t kMaxKind = 24;   // the store keeps 31 bytes for the kinds of a snapshot
// Names that have another meaning in /run/zumastor or /dev/mapper.
constexpr std::array<std::string_view, 3> kReserved{"mount", "snapshot", "control"};

bool made_of(const std::string& name, std::string_view marks)
{
    return !name.empty() && kLetters.find(name.front()) != std::string_view::npos &&
           std::all_of(name.begin(), name.end(), [&](char c) {
               return kLetters.find(c) != std::string_view::npos || marks.find(c) != std::string_view::npos;
           });
}

} // namespace

const std::string Paths::kConfigDirectory = zumastor::kConfigDirectory;

void check_volume_name(const std::string& name)
{
    if (!made_of(name, kVolumeMarks) || name.size() > kMaxVolume) {
        throw Failure(Exit::usage, "'" + name + "' cannot be a volume's name",
                      "use up to 64 letters, digits and #+-.:=_, a letter or digit first");
    }
    if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end()) {
        throw Failure(Exit::usage, "'" + name + "' cannot be a volume's name: it is reserved",
                      "choose another name");
    }
}

void check_kind_name(const std::string& name)
{
    if (!made_of(name, kKindMarks) || name.size() > kMaxKind) {
        throw Failure(Exit::usage, "'" + name + "' cannot be the name of a kind of snapshots",
                      "use up to 24 letters, digits, - and _, a letter or digit first");
    }
}

void check_host(const std::string& host, const std::string& where)
{
    constexpr std::string_view kHostMarks = ".-_:@%[]"; // user@host, IPv6
    constexpr std::size_t kMaxHost = 255;
    const bool good =
        !host.empty() && host.size() <= kMaxHost && host.front() != '-' &&
        std::all_of(host.begin(), host.end(), [&](char c) {
            return kLetters.find(c) != std::string_view::npos || kHostMarks.find(c) != std::string_view::npos;
        });
    if (!good) {
        throw Failure(Exit::usage, where + ": '" + host + "' cannot be a host",
                      "give a name as ssh knows it");
    }
}

Paths::Paths(const std::string& volume)
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
