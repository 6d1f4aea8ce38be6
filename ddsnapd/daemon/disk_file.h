// SPDX-License-Identifier: GPL-2.0
// Opening the volume's devices (block devices, or files in tests and trials) and keeping other daemons
// away from them.
//
// Invariant: the lock is taken on the very file description that all I/O goes through. The kernel keeps
// that description, and so the lock, until the last I/O of a killed daemon has ended: a successor that has
// the lock cannot be overtaken by a write of its predecessor (DaemonTest.OneDaemonPerStore).
#pragma once

#include <chrono>
#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/daemon/start_failure.h"
#include "ddsnapd/disk/unique_fd.h"
#include "snapstore/types.h"

namespace ddsnap::daemon {

struct DiskFile {
    std::string path;
    UniqueFd fd;
    snapstore::Bytes size; // rounded down to sectors
    bool direct = true;    // O_DIRECT; false where the filesystem has none (tests on tmpfs)
    bool block_device = false;
    std::uint64_t device = 0; // st_rdev of a block device, else 0
};

enum class Exclusive : std::uint8_t {
    no,    // the origin: its device-mapper device is in use
    lock,  // the store: no other daemon, but device-mapper reads it
    alone, // the metadata device: nobody else at all
};

// Waits for a predecessor that is ending, whose the metadata device may still be.
tl::expected<DiskFile, StartFailure> open_disk(const std::string& path, Exclusive exclusive,
                                               std::chrono::milliseconds patience);

// How large it is now.
tl::expected<snapstore::Bytes, std::string> measure_disk(const DiskFile& disk);

// Takes the lock; waits for a predecessor that is ending. The error names the holder.
tl::expected<void, StartFailure> lock_disk(const DiskFile& disk, std::chrono::milliseconds patience);

} // namespace ddsnap::daemon
