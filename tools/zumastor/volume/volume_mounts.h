// SPDX-License-Identifier: GPL-2.0
// A volume's mounts, and the links beside those of its snapshots. Every operation looks at what is there and
// does what is missing, so that each can be repeated after an interruption. All want the volume's lock, but
// for those that only look.
//
//   mount_all: origin filesystem → snapshots → links         unmount_all: the reverse
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/daemon.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// ---- looking ----

// Where the filesystem of the origin is mounted, by us or others; empty if nowhere.
std::optional<Mount> origin_mount(const Volume& volume);
// Where snapshot `id` is mounted below the snapshot directory; empty if it is not.
std::optional<std::string> mount_of_snapshot(const Volume& volume, std::uint64_t id);
// Whether it is what the mount point shows; also if it holds no filesystem, and so cannot be.
bool shows_snapshot(const Volume& volume, std::uint64_t id);

// ---- all of a volume ----

// Origin, snapshots, links: as the master role says. False if there is no filesystem to mount yet.
bool mount_all(const Volume& volume, Troubles& troubles);
// take_out_of_use() (in_use.h) is what commands call: it looks first, and undoes it if it fails.
void unmount_all(const Volume& volume);
// What is mounted at the mount point only; snapshots stay, but for those in .snapshot. Throws Exit::busy,
// naming who uses it.
void unmount_origin(const Volume& volume);

// ---- snapshots ----

// Maps and mounts what is not, as far as the role wants it; takes away what has no content any more.
// `snapshots`: all of the store, oldest first.
void mount_snapshots(const Volume& volume, const std::vector<SnapshotEntry>& snapshots, Troubles& troubles);
// Takes all snapshots' mounts and devices away, and the links.
void unmount_snapshots(const Volume& volume);
// Makes the KIND.N links those of `snapshots`.
void refresh_links(const Volume& volume, const std::vector<SnapshotEntry>& snapshots);
// A replica's newest snapshot instead of what is mounted at the mount point now. Who reads the old one goes
// on reading it.
void show_snapshot(const Volume& volume, const SnapshotEntry& snapshot);
// Unmounts and unmaps it, wherever it is shown, so that what it holds may be written. Throws Exit::busy,
// naming who reads it.
void hide_snapshot(const Volume& volume, std::uint64_t id);
// Unmounts, unmaps and deletes one snapshot. Throws Exit::busy if it is in use.
void drop_snapshot(const Volume& volume, Daemon& daemon, std::uint64_t id);

} // namespace zumastor
