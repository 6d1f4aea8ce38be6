// SPDX-License-Identifier: GPL-2.0
// /etc/zumastor/VOL.toml: what the administrator wants. What can be known otherwise is not in it: snapshots
// and their kinds are in the store, what is mounted is in the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/border.h"
#include "tools/common/host_name.h"

namespace zumastor {

// How many snapshots of a kind to keep.
struct Kind {
    std::string name;
    std::uint64_t keep = 0;
    bool operator==(const Kind&) const = default;
};

// The writable role: the origin is mounted, and snapshots are.
struct MasterRole {
    bool mount_snapshots = true;
    bool dot_snapshot = false; // snapshots also below .snapshot of the volume's root
    bool over_nfs = false;     // mounted snapshots are exported to those that the volume is exported to
    bool samba = false;        // settings for a share of Samba's are written
    bool operator==(const MasterRole&) const = default;
};

// Where a replica gets its snapshots from.
struct SourceRole {
    HostName host;
    VolumeName volume;                  // its name there; empty: the same
    bool mount_snapshots = false;       // all of them, not only the newest
    std::uint64_t period = 0;           // seconds from one cycle's start to the next one's; 0: none by itself
    bool stopped = false;               // ... and none until `start source`
    std::uint64_t bytes_per_second = 0; // of what comes; 0: no limit
    LoginName ssh_user{};               // the account here that ssh runs as; empty: the command's own
    bool operator==(const SourceRole&) const = default;
};

// Where snapshots are sent to.
struct Target {
    HostName host;
    VolumeName volume;                  // its name there; empty: the same
    std::uint64_t bytes_per_second = 0; // 0: no limit
    bool compress = true;
    bool full = false;        // every cycle sends everything: for tests
    std::uint64_t period = 0; // as a source's
    bool stopped = false;
    LoginName ssh_user{};
    bool operator==(const Target&) const = default;
};

struct VolumeConfig {
    VolumeName name;
    std::string uuid;   // of the store: another one there is refused
    std::string origin; // devices by lasting names; a regular file is put on a loop device
    std::string store;
    std::string meta;              // empty: none
    std::uint64_t cache_bytes = 0; // 0: the daemon's default
    // Percent of the store in use at which the daemon warns. Empty: its default. A 0: no mark.
    std::vector<std::uint64_t> warn_at;
    // A store that is full or fails: writes to the origin fail, no snapshot is given up.
    bool snapshot_first = false;
    std::string mount_point; // empty: the default
    std::string mount_options;
    std::string snapshot_path;        // empty: the default
    std::string snapshot_options;     // what snapshots are mounted with otherwise: see snapshot_options.h
    std::optional<MasterRole> master; // a volume is a master or a replica, or neither
    std::optional<SourceRole> source;
    std::vector<Target> targets; // of both
    std::vector<Kind> schedule;  // in the order in which they are shown

    bool operator==(const VolumeConfig&) const = default;
};

extern const std::vector<std::string> kBuiltinKinds; // hourly, daily, weekly, monthly

// Sets how many to keep; 0 removes the kind.
void set_kind(std::vector<Kind>& schedule, const std::string& name, std::uint64_t keep);
const Kind* find_kind(const std::vector<Kind>& schedule, const std::string& name);

const Target* find_target(const VolumeConfig& config, const HostName& host);

// Of --warn-at: "80,90". Throws Exit::usage.
std::vector<std::uint64_t> need_marks(const std::string& text);
std::string format_marks(const std::vector<std::uint64_t>& marks, const std::string& separator);

// What a cycle's period, a rate and the number of snapshots of a kind can be.
inline constexpr std::uint64_t kLongestPeriod = 366ULL * 24 * 3600; // seconds
inline constexpr std::uint64_t kHighestRate = 1ULL << 50;           // bytes a second; 0: none
inline constexpr std::uint64_t kMostKept = 65536;                   // as many as a store has

// `where` is for messages. Throws Exit::failed with line and reason.
VolumeConfig parse_config(const std::string& text, const VolumeName& name, const std::string& where);
std::string format_config(const VolumeConfig& config);

bool config_exists(const std::string& name);       // throws if that cannot be known
VolumeConfig load_config(const std::string& name); // Exit::not_found, naming the volumes that exist
// For those who look at all volumes: nothing if it cannot be read, which status and doctor say.
std::optional<VolumeConfig> try_load_config(const std::string& name);
void save_config(const VolumeConfig& config);
void remove_config(const std::string& name);
std::vector<std::string> list_volumes(); // sorted; throws if the directory cannot be read

} // namespace zumastor
