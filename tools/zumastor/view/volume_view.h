// SPDX-License-Identifier: GPL-2.0
// What is known of a volume at a moment, for those who tell it: `zumastor status`, `zumastor doctor`. Reads
// only, takes no lock: it answers also while another command is at work, and when daemon or module are not
// there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/view/replication_view.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

struct SnapshotView {
    SnapshotEntry entry;
    std::string device; // empty: not mapped
    std::string mounted_at;
    std::vector<std::string> links; // hourly.0
};

struct VolumeView {
    VolumeConfig config;
    std::string name; // as it is shown: of a file that is no volume's, that file's
    // running, stopped, daemon_down, module_missing, device_missing, failed, disconnected, half_reverted,
    // unreadable, unknown
    std::string state;
    std::string problem; // empty when it runs
    std::string next;
    std::string device; // of the origin; empty: not mapped
    std::optional<Mount> mount;
    std::optional<VolumeEntry> store;
    std::vector<SnapshotView> snapshots;
    ReplicationView replication;
};

// What starts it in its role.
std::string start_command(const VolumeConfig& config);

VolumeView view_of(const std::string& name);

// For a list of all: a volume whose configuration or state cannot be read is an entry of its own, and hides
// no other.
inline const std::string kUnreadable = "unreadable";
// What it is doing cannot be known: who asks may not ask, or what is asked does not answer. `problem` says
// why.
inline const std::string kUnknown = "unknown";
VolumeView view_or_problem(const std::string& name);

} // namespace zumastor
