// SPDX-License-Identifier: GPL-2.0
// What a volume's things are called and where they are.
#pragma once

#include <cstdint>
#include <string>

#include "tools/common/border.h"

namespace zumastor {

// Throws Exit::usage if a volume cannot be called that: a volume's name is also that of a mapped device and
// of directories.
void check_volume_name(const std::string& name);
// The same for a kind of a rotation: "hourly", or one of the user's own.
void check_kind_name(const std::string& name);

// In the root of a volume: its snapshots.
inline const std::string kDotSnapshot = ".snapshot";

struct Paths {
    explicit Paths(const VolumeName& volume);

    static const std::string kConfigDirectory; // /etc/zumastor

    std::string config;        // /etc/zumastor/VOL.toml
    std::string runtime;       // /run/zumastor/VOL: sockets, process id
    std::string agent_socket;  // data socket, for the kernel
    std::string server_socket; // control socket
    std::string pid_file;
    std::string lock;              // serialises commands on this volume
    std::string state;             // /var/lib/zumastor/.state/VOL: what replication remembers
    std::string default_mount;     // /run/zumastor/mount/VOL, also known as /var/run/zumastor/…
    std::string default_snapshots; // /run/zumastor/snapshot/VOL
    std::string origin_name;       // of the mapped device: VOL
    std::string origin_device;     // /dev/mapper/VOL

    std::string snapshot_name(std::uint64_t id) const;   // VOL@N
    std::string snapshot_device(std::uint64_t id) const; // /dev/mapper/VOL@N
};

// /var/log/zumastor/VOL/server.log, or below /run if that cannot be written. Makes the directory.
std::string prepare_log_file(const Paths& paths, const std::string& volume);

} // namespace zumastor
