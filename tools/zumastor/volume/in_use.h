// SPDX-License-Identifier: GPL-2.0
// Who uses a volume: the one check of all commands that need it for themselves.
//
//   before anything is changed   who_uses(): names; the kernel's count of openings must be explained by them
//   our own mounts go            take_out_of_use(): unmount_all(), then the proof
//   the proof                    the origin's device opened exclusively, and by nobody else at all
//   any failure until here       everything is mounted again as it was
//
// Names come from the mounts of all mount namespaces, all processes' files, loop devices, swap and device
// stacks. They may be incomplete: a mount namespace can be kept by a file, a mount by a process that is in
// none of ours. Invariant: no command that relies on "nobody writes" goes on without the proof, which does
// not depend on names (tests/guest/zumastor-in-use.test).
//
// A copy of one of our mounts in another namespace counts only if it would stay when ours is unmounted: see
// tools/common/mount_table.h.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

struct InUse {
    std::vector<std::string> users; // one line each
    std::set<std::string> devices;  // the mapped devices that they use
};

// Who does not count yet: commands of our own are still at work, and the caller ends them before the proof.
enum class Except : std::uint8_t { nobody, own_commands };

InUse who_uses(const Volume& volume, Except except = Except::nobody);
// Throws Exit::busy, naming them.
void refuse_if_used(const Volume& volume, Except except = Except::nobody);
// For what writes to the origin beneath whatever is on it: our own mount is one too many, snapshots may be
// read.
void refuse_if_origin_used(const Volume& volume);
// For what takes away only what is mounted at the mount point.
void refuse_if_mount_point_used(const Volume& volume);
// Before snapshot `id` is unmounted: somebody sees it in another namespace, and would go on.
void refuse_if_seen_elsewhere(const Volume& volume, std::uint64_t id);

// Refuses, unmounts, proves. As long as the result is open nobody mounts the origin, or puts anything on it;
// it is not open if the volume has no device. Throws Exit::busy; then all is mounted as it was.
[[nodiscard]] ddsnap::UniqueFd take_out_of_use(Volume& volume);

// Whoever uses these devices gets errors from now on, and nothing that they have open leads to the volume any
// more. Our mounts of them are gone, and so are the devices; start_devices() makes new ones. What was cut off
// disappears when its last user does.
void cut_off(const Volume& volume, const InUse& in_use);

// Where the origin's filesystem is mounted, here or in another namespace.
struct MountedOrigin {
    std::string path;       // of the directory, good as long as this lives
    ddsnap::UniqueFd keeps; // what makes it so
    std::string shown;      // for messages
};
// Empty if it is mounted nowhere. Throws if it is, but cannot be reached.
std::optional<MountedOrigin> mounted_origin(const Volume& volume);

} // namespace zumastor
