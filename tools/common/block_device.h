// SPDX-License-Identifier: GPL-2.0
// What can be known of a block device without changing it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/mount_table.h"

namespace zumastor {

inline constexpr std::uint32_t kSectorBytes = 512; // what the kernel counts devices in
inline constexpr std::uint32_t kLargestSector = 1U
                                                << 20; // that is believed; there are some of 512 and of 4096

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

// Is it one of the filesystem on that device? btrfs numbers its mounts otherwise, so sources count too.
bool is_mount_of(const Mount& mount, dev_t number);
// Here, in this mount namespace.
std::vector<Mount> mounts_of(dev_t number);

// "used as swap", "holding the swap file /x", "used by /dev/mapper/vg-home", "used by /dev/loop1": what uses
// these devices, or filesystems on them, but mounts and processes. One for each use.
std::vector<std::pair<dev_t, std::string>> stacked_on(const std::set<dev_t>& numbers);
// The same, and "mounted at /home", "mounted at /data in the mount namespace of process 12 (sleep)": one line
// per use; empty if nothing holds it.
std::vector<std::string> holders_of(dev_t number);

// A file of another process, or a directory that it is in, that is on one of some filesystems, or is one of
// some devices.
struct FileUse {
    int process = 0;
    dev_t number = 0;
    bool device = false;
    bool writes = false; // of what is open: for writing
    std::string text;    // "open file /srv/a", "working directory /srv"; of a device "has the device open"
};
// One for each process and filesystem; all of devices. udev's own, which come and go with events, are not
// among them.
std::vector<FileUse> files_in_use(const std::set<dev_t>& numbers);
// "process 123 (bash): working directory /srv": a line for each process.
std::vector<std::string> describe(const std::vector<FileUse>& uses);
// What keeps the filesystem that is mounted there busy: processes, and what stacked_on() knows; what is
// mounted below it.
std::vector<std::string> users_of(const std::string& target);

// Opens for exclusive use: fails (Exit::busy, naming the holders) while it is mounted or mapped.
::ddsnap::UniqueFd open_exclusive(const DeviceNode& device, int flags, const std::string& role);

// ---- what is on it ---------------------------------------------------------------------------

struct Signature {
    std::string type;  // "ext4", "xfs", "LVM2_member", "dos" …
    std::string usage; // "filesystem", "raid", "crypto", "partition table", "other"
    std::uint32_t block_bytes =
        0; // what it reads and writes at least: no larger sectors will do. 0: not known
};
// What libblkid finds; empty if nothing. Throws if the device cannot be read or the signs contradict.
std::optional<Signature> signature_of(const std::string& path);

} // namespace zumastor
