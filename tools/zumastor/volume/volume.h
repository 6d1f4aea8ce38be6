// SPDX-License-Identifier: GPL-2.0
// A volume at work: its daemon, its mapped devices, its mounts. Every operation looks at what is there and
// does what is missing, so that each can be repeated after an interruption.
//
//   start_devices: loop devices → ddsnapd → /dev/mapper/VOL     stop_devices: the reverse
//   mount_all:     origin filesystem → snapshots → links         unmount_all:  the reverse
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/daemon.h"
#include "tools/common/offline_store.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/config/troubles.h"
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
    // Is it a mount of the origin, or of a snapshot?
    bool is_ours(const Mount& mount) const;

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
    // Numbers of the snapshots that have a device.
    std::vector<std::uint64_t> mapped_snapshots() const;

    // ---- mounts (volume_mounts.cpp) ----

    // Where the filesystem of the origin is mounted, by us or others; empty if nowhere.
    std::optional<Mount> origin_mount() const;
    // Origin, snapshots, links: as the master role says. False if there is no filesystem to mount yet.
    bool mount_all(Troubles& troubles);
    // take_out_of_use() (in_use.h) is what commands call: it looks first, and undoes it if it fails.
    void unmount_all();
    // What is mounted at the mount point only; snapshots stay, but for those in .snapshot. Throws Exit::busy,
    // naming who uses it.
    void unmount_origin();
    // Takes all snapshots' mounts and devices away, and the links.
    void unmount_snapshots();
    // Maps and mounts what is not, as far as the role wants it; takes away what has no content any more.
    // `snapshots`: all of the store, oldest first.
    void mount_snapshots(const std::vector<SnapshotEntry>& snapshots, Troubles& troubles);
    // A replica's newest snapshot instead of what is mounted at the mount point now. Who reads the old
    // one goes on reading it.
    void show_snapshot(const SnapshotEntry& snapshot);
    // Whether it is what the mount point shows; also if it holds no filesystem, and so cannot be.
    bool shows(std::uint64_t id) const;
    // Unmounts and unmaps it, wherever it is shown, so that what it holds may be written. Throws Exit::busy,
    // naming who reads it.
    void hide_snapshot(std::uint64_t id);
    // Makes the KIND.N links those of `snapshots`.
    void refresh_links(const std::vector<SnapshotEntry>& snapshots) const;
    // Unmounts, unmaps and deletes one snapshot. Throws Exit::busy if it is in use.
    void drop_snapshot(Daemon& daemon, std::uint64_t id);
    // Where snapshot `id` is mounted below the snapshot directory; empty if it is not.
    std::optional<std::string> mount_of_snapshot(std::uint64_t id) const;

private:
    std::vector<std::string> daemon_command(const StorePaths& paths,
                                            const std::vector<std::string>& options) const;
    void start_daemon(const StorePaths& paths) const;
    void refuse_other_store(const std::string& uuid) const;
    // With this length.
    void wait_until_connected(Daemon& daemon, std::uint64_t sectors) const;
    void map_snapshot(const StorePaths& paths, const SnapshotEntry& snapshot,
                      mapper::Udev udev = mapper::Udev::awaited) const;
    void unmap_snapshot(std::uint64_t id, mapper::Udev udev = mapper::Udev::awaited) const;
    void mount_snapshot(const SnapshotEntry& snapshot, const std::string& directory,
                        Troubles& troubles) const;
    void take_away(std::uint64_t id) const;
    void take_snapshots_away();
    // As the master role says; `snapshots`: all of the store.
    void follow_exports(const std::vector<SnapshotEntry>& snapshots, Troubles& troubles) const;
    bool wants_snapshot_mounts() const noexcept;
    void empty_snapshot_directory(const std::vector<SnapshotEntry>& snapshots, Troubles& troubles);
    void show_dot_snapshot(Troubles& troubles) const;
    void hide_dot_snapshot() const;
    bool dot_snapshot_is_shown() const;
    bool is_snapshot_directory(const Mount& mount) const;
    void unmap_unused(std::uint64_t shown) const;
    std::string table_of(const StorePaths& paths, const std::string& id) const;

    VolumeConfig config_;
    Paths paths_;
};

} // namespace zumastor
