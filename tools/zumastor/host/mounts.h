// SPDX-License-Identifier: GPL-2.0
// Filesystems: which options a snapshot of one needs, mounting and unmounting, bind mounts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/block_device.h"
#include "tools/common/failure.h"

namespace zumastor {

// Options for mounting a read-only, possibly not cleanly unmounted copy beside the original.
std::string snapshot_mount_options(const std::string& type);

// The type of the filesystem on a device; empty if there is none. What is no filesystem (an LVM volume,
// swap) throws, naming it.
std::optional<std::string> filesystem_on(const std::string& device);

// Through libmount. Makes the directory. Throws with the system's reason.
void mount_filesystem(const std::string& device, const std::string& target, const std::string& type,
                      const std::string& options);
// The same at a directory that is open; `shown` is its path, for messages.
void mount_filesystem_at(const ddsnap::UniqueFd& directory, const std::string& shown,
                         const std::string& device, const std::string& type, const std::string& options);
// Throws Exit::busy, naming who keeps it busy. Never lazy: what is unmounted is gone when it returns.
void unmount(const std::string& target);
// That what is mounted there is busy, naming by whom.
Failure busy_mount(const std::string& target);
// Other flags of what is mounted there: these, and no others. Throws with the system's reason.
void remount_filesystem(const std::string& device, const std::string& target, const std::string& options);
// Of a list of options those that the filesystem itself understands, not the kernel's (ro, noatime …).
std::string filesystem_options(const std::string& options);

// Nobody finds what is mounted there any more; who has it open goes on.
void detach_mount(const std::string& target);

// The path as the kernel's list of mounts has it: absolute, without links. What does not exist stays as it
// is.
std::string canonical(const std::string& path);
// Is `path` the directory or something in it? Both canonical.
bool is_below(const std::string& path, const std::string& directory);

// Shows at `target`, a mount point, what is mounted at `from` instead of what is there now. Who has the old
// one open goes on with it. From Linux 6.5 on nobody finds the directory below in between.
void replace_mount(const std::string& from, const std::string& target);

// Is something mounted exactly there?
bool is_mount_point(const std::string& target);

// Makes `directory` a mount point of its own whose later mounts appear in every copy of it.
void make_shared_mount(const std::string& directory);
// Shows `directory` with everything mounted below it at `target` too.
void bind_tree(const std::string& directory, const std::string& target);

} // namespace zumastor
