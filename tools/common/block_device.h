// SPDX-License-Identifier: GPL-2.0
// What can be known of a block device without changing it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnapd/client/unique_fd.h"

namespace zumastor {

inline constexpr std::uint32_t kSectorBytes = 512; // what the kernel counts devices in

struct DeviceNode {
    std::string given; // as the user wrote it
    std::string path;  // symlinks resolved: /dev/dm-3, /dev/vdb
    dev_t number = 0;
    std::uint64_t bytes = 0;
    std::uint32_t sector = 512; // bytes that it reads and writes at least, its logical block size
};

// Throws if `path` is missing (Exit::not_found) or no block device (Exit::usage). `role` is for the message:
// "origin", "snapshot store".
DeviceNode need_block_device(const std::string& path, const std::string& role);

// A name that will lead to the same device after a reboot: `given` if it is a stable name already, the
// first name below /dev of a chain of symlinks, or a link from /dev/disk/by-id.
std::string stable_name(const DeviceNode& device);

// The same device, or one a partition of the other.
bool overlap(const DeviceNode& a, const DeviceNode& b);

std::string format_number(dev_t number); // "252:3"

// ---- who uses it -----------------------------------------------------------------------------

struct Mount {
    std::string source;
    std::string target;
    std::string type;
    std::string options; // per mount, then per superblock
    dev_t device = 0;
};
std::vector<Mount> all_mounts(); // /proc/self/mountinfo, in order
// The mounts of the filesystem on that device. btrfs numbers its mounts otherwise, so sources count too.
std::vector<Mount> mounts_of(dev_t number);

// "mounted at /home", "swap", "used by dm-3 (vg-home)": one line per use; empty if nothing holds it.
std::vector<std::string> holders_of(dev_t number);
// "process 123 (bash): working directory /srv": who keeps the filesystems mounted there busy.
std::vector<std::string> processes_on(const std::vector<std::string>& targets);
// Who has the block device itself open.
std::vector<std::string> processes_with_device(dev_t number);

// Opens for exclusive use: fails (Exit::busy, naming the holders) while it is mounted or mapped.
::ddsnap::UniqueFd open_exclusive(const DeviceNode& device, int flags, const std::string& role);

// ---- what is on it ---------------------------------------------------------------------------

struct Signature {
    std::string type;  // "ext4", "xfs", "LVM2_member", "dos" …
    std::string usage; // "filesystem", "raid", "crypto", "partition table", "other"
};
// What libblkid finds; empty if nothing. Throws if the device cannot be read or the signs contradict.
std::optional<Signature> signature_of(const std::string& path);

} // namespace zumastor
