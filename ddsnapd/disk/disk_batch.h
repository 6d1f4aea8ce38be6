// SPDX-License-Identifier: GPL-2.0
// Many pieces of disks read or written at once: one system call hands them in, the devices work on them side
// by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ddsnapd/disk/raw_disk.h"

namespace ddsnap {

// Offset and length are multiples of 512.
struct DiskOp {
    static DiskOp read(const RawDisk& disk, std::uint64_t offset, std::span<std::byte> data)
    {
        return {&disk, offset, data, {}, 0};
    }
    static DiskOp write(const RawDisk& disk, std::uint64_t offset, std::span<const std::byte> data)
    {
        return {&disk, offset, {}, data, 0};
    }
    bool writes() const noexcept { return !output.empty(); }

    const RawDisk* disk;
    std::uint64_t offset;              // bytes
    std::span<std::byte> input;        // of a read
    std::span<const std::byte> output; // of a write
    int error;                         // an errno; 0: all of it was done
};

// In which order to begin them, as positions in `ops`: disk by disk, each from its beginning to its end, so
// that it need not seek back and forth, and its queue can merge what lies side by side.
std::vector<std::size_t> disk_order(std::span<const DiskOp> ops);

// Returns when all of them have ended, whatever became of the others. They may be done in any order. Any
// thread. Buffers that are not aligned to 4096 are copied, and theirs are done one by one; so is everything
// if the system has no asynchronous I/O left (fs.aio-max-nr).
void run_all(std::span<DiskOp> ops);

} // namespace ddsnap
