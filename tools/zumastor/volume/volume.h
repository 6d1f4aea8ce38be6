// SPDX-License-Identifier: GPL-2.0
// A volume at work: its daemon, its mapped devices. Every operation looks at what is there and does what is
// missing, so that each can be repeated after an interruption. volume_mounts.h has its mounts.
//
//   start_devices: loop devices → ddsnapd → /dev/mapper/VOL     stop_devices: the reverse
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/daemon.h"
#include "tools/common/offline_store.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/host/mapper.h"

namespace zumastor {

class Volume {
public:
    explicit Volume(VolumeConfig config);

    const VolumeConfig& config() const noexcept { return config_; }
    VolumeConfig& config() noexcept { return config_; }
    const Paths& paths() const noexcept { return paths_; }
    std::string what() const { return "volume " + config_.name; }
    std::string mount_point() const;
    std::string snapshot_directory() const;
    // Where .snapshot is, if it is shown. Never to be followed: users may make a link of that name.
    std::string dot_snapshot() const;

    // ---- daemon and devices (volume.cpp) ----

    // The daemon, if it runs; else throws Exit::missing with what to do.
    Daemon daemon() const;
    Known<Daemon> ask_daemon() const;
    std::optional<Daemon> try_daemon() const; // throws if it cannot be asked
    // Puts files on loop devices; returns the devices.
    StorePaths attach_devices() const;
    // Throws if they are in use, or the store is another volume's, or none.
    void refuse_wrong_devices(const StorePaths& paths) const;
    // What is missing of daemon and origin device; returns when the device is connected.
    void start_devices();
    // Goes on as the volume's daemon, in the foreground: for its systemd unit. Returns only by throwing.
    [[noreturn]] void become_daemon();

    // ---- lengths (volume_resize.cpp) ----

    // Daemon and mapped device get the length, in the order in which each crash leaves a volume that works: a
    // device is never longer than the daemon knows it. To be repeated after an interruption. The volume is
    // started, and what lies beyond a smaller length is needed by nobody. Throws; then all is as before.
    void resize_origin(Daemon& daemon, std::uint64_t sectors) const;
    // The mapped device gets the length, if it has another, and is connected when it returns.
    void set_device_length(Daemon& daemon, std::uint64_t sectors) const;

    // Removes devices, ends the daemon, detaches loop devices. Nothing may be mounted any more.
    void stop_devices();

    // ---- devices of snapshots ----

    // Numbers of those that have one.
    std::vector<std::uint64_t> mapped_snapshots() const;
    // Maps one that is not yet.
    void map_snapshot(const StorePaths& paths, const SnapshotEntry& snapshot,
                      mapper::Udev udev = mapper::Udev::awaited) const;
    // Throws Exit::busy, naming who uses it.
    void unmap_snapshot(std::uint64_t id, mapper::Udev udev = mapper::Udev::awaited) const;

private:
    std::vector<std::string> daemon_command(const StorePaths& paths,
                                            const std::vector<std::string>& options) const;
    void start_daemon(const StorePaths& paths) const;
    void refuse_other_store(const std::string& uuid) const;
    // With this length.
    void wait_until_connected(Daemon& daemon, std::uint64_t sectors) const;
    std::string table_of(const StorePaths& paths, const std::string& id) const;

    VolumeConfig config_;
    Paths paths_;
};

} // namespace zumastor
