// SPDX-License-Identifier: GPL-2.0
// /etc/zumastor/VOL.toml: what the administrator wants. What can be known otherwise is not in it: snapshots
// and their kinds are in the store, what is mounted is in the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
    bool operator==(const MasterRole&) const = default;
};

struct VolumeConfig {
    std::string name;
    std::string uuid;   // of the store: another one there is refused
    std::string origin; // devices by lasting names; a regular file is put on a loop device
    std::string store;
    std::string meta;              // empty: none
    std::uint64_t cache_bytes = 0; // 0: the daemon's default
    std::string mount_point;       // empty: the default
    std::string mount_options;
    std::string snapshot_path; // empty: the default
    std::optional<MasterRole> master;
    std::vector<Kind> schedule; // in the order in which they are shown

    bool operator==(const VolumeConfig&) const = default;
};

extern const std::vector<std::string> kBuiltinKinds; // hourly, daily, weekly, monthly

// Sets how many to keep; 0 removes the kind.
void set_kind(std::vector<Kind>& schedule, const std::string& name, std::uint64_t keep);
const Kind* find_kind(const std::vector<Kind>& schedule, const std::string& name);

// `where` is for messages. Throws Exit::failed with line and reason.
VolumeConfig parse_config(const std::string& text, const std::string& name, const std::string& where);
std::string format_config(const VolumeConfig& config);

bool config_exists(const std::string& name);
VolumeConfig load_config(const std::string& name); // Exit::not_found, naming the volumes that exist
void save_config(const VolumeConfig& config);
void remove_config(const std::string& name);
std::vector<std::string> list_volumes(); // sorted

} // namespace zumastor
