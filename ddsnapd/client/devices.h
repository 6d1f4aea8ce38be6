// SPDX-License-Identifier: GPL-2.0
// A volume's origin and snapshots as synchronous devices in a process, with the rules of the kernel's
// target: for tests, benchmarks and tools. Calls wait through restarts of the daemon; any number of threads
// may call. Offsets and lengths are multiples of 512 bytes; disks are used with O_DIRECT where possible.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/client/link.h"
#include "ddsnapd/client/origin_client.h"
#include "ddsnapd/client/snapshot_client.h"
#include "ddsnapd/disk/raw_disk.h"

namespace ddsnap::client {

snapstore::Uuid random_client_id();

struct DeviceOptions {
    std::string data_socket;
    std::string origin; // path of the origin device
    std::string store;  // of the store (snapshots only)
    std::string name = "client";
    snapstore::Uuid client = random_client_id();
    bool read_only = false;
    std::chrono::milliseconds timeout{10'000}; // for opening and leaving
};

class OriginDevice {
public:
    // Waits for the first WELCOME. The error is the daemon's refusal, or that none answered.
    static tl::expected<std::unique_ptr<OriginDevice>, std::string> open(const DeviceOptions& options);
    ~OriginDevice(); // without bye(): as a crash would

    // Asks for the grant and writes. Not ok: nothing was written, or the disk failed. What is written is
    // whole when kill -9 hits the daemon or this process; flush() makes it survive the power, too.
    wire::Status write(std::uint64_t offset, std::span<const std::byte> data);
    wire::Status read(std::uint64_t offset, std::span<std::byte> data);
    wire::Status flush();
    bool bye(); // false: no acknowledgement in time

    std::uint64_t size() const noexcept { return origin_.size(); }
    std::uint32_t chunk_size();
    std::uint64_t queries();  // WRITEs sent so far
    std::uint64_t sessions(); // WELCOMEs so far
    snapstore::Epoch epoch();
    void break_connection(std::chrono::milliseconds pause) { link_->interrupt(pause); }

private:
    class Write;
    OriginDevice(const DeviceOptions& options, RawDisk origin);

    const DeviceOptions options_;
    const RawDisk origin_;
    std::uint32_t chunk_ = 0; // bytes, known from open() on
    std::unique_ptr<OriginClient> client_;
    std::unique_ptr<Link> link_; // after client_: its thread ends first
};

class SnapshotDevice {
public:
    static tl::expected<std::unique_ptr<SnapshotDevice>, std::string> open(snapstore::SnapshotId snapshot,
                                                                           const DeviceOptions& options);
    ~SnapshotDevice();

    wire::Status read(std::uint64_t offset, std::span<std::byte> data);
    // All of them, asked for and read together. The first status that is not ok.
    struct Part {
        std::uint64_t offset;
        std::span<std::byte> data;
    };
    wire::Status read(std::span<const Part> parts);
    // Whole chunks or parts of them.
    wire::Status write(std::uint64_t offset, std::span<const std::byte> data);
    wire::Status flush();
    bool bye();

    std::uint32_t chunk_size();
    bool squashed();
    bool may_cache();
    std::uint64_t size();
    void break_connection(std::chrono::milliseconds pause) { link_->interrupt(pause); }

private:
    class Io;
    SnapshotDevice(snapstore::SnapshotId snapshot, const DeviceOptions& options, RawDisk origin,
                   RawDisk store);
    wire::Status run(std::deque<Io>& ios);
    void perform(std::span<Io* const> ios) const;

    const DeviceOptions options_;
    const RawDisk origin_;
    const RawDisk store_;
    std::uint32_t chunk_ = 0; // bytes, known from open() on
    std::unique_ptr<SnapshotClient> client_;
    std::unique_ptr<Link> link_;
};

} // namespace ddsnap::client
