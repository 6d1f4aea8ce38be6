// SPDX-License-Identifier: GPL-2.0
// The engine's disks on io_uring: O_DIRECT, registered files, completions through an eventfd.
//
// Requests are gathered and submitted together by flush(), once a turn of the daemon's loop; completions
// are reaped by reap() when the eventfd says so. Fixed memory: kOperations in the kernel at once, further
// requests wait in the requests themselves (IoRequest::next).
//
// Short reads and writes are continued; EAGAIN and EINTR are tried again. A read beyond the end of a device
// whose size is not a multiple of 4 KiB delivers zeros, and a write there is cut off.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <liburing.h>
#include <tl/expected.hpp>

#include "ddsnapd/daemon/disk_file.h"
#include "ddsnapd/daemon/start_failure.h"
#include "ddsnapd/disk/unique_fd.h"
#include "snapstore/block_device.h"

namespace ddsnap::daemon {

class IoRing {
public:
    IoRing() = default;
    ~IoRing();
    IoRing(const IoRing&) = delete;
    IoRing& operator=(const IoRing&) = delete;

    // One disk for each file, in that order. Called once.
    tl::expected<void, StartFailure> open(const std::vector<const DiskFile*>& files);

    snapstore::BlockDevice& disk(std::size_t index) noexcept { return disks_[index]; }
    // Devices may have grown (or shrunk) since.
    void set_size(std::size_t index, snapstore::Bytes size) noexcept { disks_[index].bytes = size; }
    int event_fd() const noexcept { return event_.get(); }

    void flush() noexcept; // hands what was submitted to the kernel
    void reap() noexcept;  // completes what has ended; the engine runs within
    std::uint64_t errors() const noexcept { return errors_; }
    std::uint64_t bytes_moved() const noexcept { return bytes_moved_; }

private:
    static constexpr unsigned kOperations = 1024;

    class Disk final : public snapstore::BlockDevice {
    public:
        snapstore::Bytes size() const noexcept override { return bytes; }
        void submit(snapstore::IoRequest& request) noexcept override;

        unsigned index = 0; // of the registered file
        snapstore::Bytes bytes;
        std::string path;
        snapstore::IoRequest* head = nullptr; // waiting for a place in the kernel, oldest first
        snapstore::IoRequest* tail = nullptr;
    };

    struct Operation {
        snapstore::IoRequest* request = nullptr;
        const Disk* disk = nullptr;
        std::size_t done = 0; // bytes
        Operation* next = nullptr;
    };

    void start(Disk& disk) noexcept;
    bool prepare(Operation& op) noexcept;
    void complete(Operation& op, int result) noexcept;
    void finish(Operation& op, snapstore::IoStatus status) noexcept;
    static std::size_t wanted(const Operation& op) noexcept;

    io_uring ring_{};
    bool opened_ = false;
    UniqueFd event_;
    std::array<Disk, 4> disks_; // origin, store, metadata, witness
    std::vector<Operation> operations_;
    Operation* free_ = nullptr;
    Operation* retry_ = nullptr; // to be handed to the kernel again
    unsigned in_kernel_ = 0;
    std::uint64_t errors_ = 0;
    std::uint64_t bytes_moved_ = 0;
};

} // namespace ddsnap::daemon
