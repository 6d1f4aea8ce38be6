// SPDX-License-Identifier: GPL-2.0
// A snapshot store that no daemon serves at the moment, opened by this program itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tools/common/block_device.h"
#include "tools/common/failure.h"

namespace snapstore {
class Store;
struct Error;
struct CheckReport;
struct OpenReport;
enum class OtherOrigin : std::uint8_t;
} // namespace snapstore

namespace zumastor {

struct StorePaths {
    DeviceNode store;
    DeviceNode origin;
    std::optional<DeviceNode> meta;
};

// Checks that the devices exist and are different ones. Throws.
StorePaths need_store_paths(const std::string& store, const std::string& origin,
                            const std::optional<std::string>& meta);

// What a superblock on the device says.
struct FoundStore {
    std::string uuid;
    std::uint64_t origin_bytes = 0;
    std::uint64_t chunk_bytes = 0;
};
// Empty if the device holds no store. A damaged or newer store throws. Reads only.
std::optional<FoundStore> probe_store(const DeviceNode& device);

struct InitOptions {
    std::uint64_t chunk_bytes = 16384;
    std::optional<std::uint64_t> journal_bytes;
};
// "4k" … "1m", a power of two; throws Exit::usage with the reason.
std::uint64_t need_chunk_size(const std::string& text);
// Metadata blocks have one size: throws Exit::usage for any other.
void need_block_size(const std::string& text);

// Why snapshots of the origin could not have its sectors with that store; empty if they can. A snapshot
// device has the larger sectors of both, and a filesystem made for smaller ones cannot be mounted on it. (The
// metadata device's do not matter: its blocks are of 4 KiB.)
std::string sector_conflict(const StorePaths& paths);
void refuse_sector_conflict(const StorePaths& paths); // throws Exit::mismatch

// Throws if a store for that origin does not fit. Touches nothing.
void check_store_fits(const StorePaths& paths, const InitOptions& options);
// What `initialize` would destroy on the device ("an ext4 filesystem"); empty if nothing is known.
std::string precious_content(const DeviceNode& device);
// Writes a new store. The devices must not be in use: they are opened exclusively. Returns the UUID.
std::string initialize_store(const StorePaths& paths, const InitOptions& options);

class OtherOriginFailure : public Failure {
public:
    using Failure::Failure;
};

// The store opened as a daemon would (journal replayed). Refuses while a daemon has it (Exit::busy), and on
// another origin than the one that it is of (OtherOriginFailure), unless that is meant.
class OfflineStore {
public:
    explicit OfflineStore(const StorePaths& paths);
    OfflineStore(const StorePaths& paths, snapstore::OtherOrigin other_origin);
    ~OfflineStore();
    OfflineStore(const OfflineStore&) = delete;
    OfflineStore& operator=(const OfflineStore&) = delete;

    snapstore::Store& store() noexcept;
    const snapstore::OpenReport& opened() const noexcept;
    snapstore::CheckReport check(bool data);
    void close(); // in order; throws if that fails. The destructor only lets go of the devices.

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The engine's error as a Failure: what, where, on which device.
[[noreturn]] void throw_store_error(const snapstore::Error& error, const std::string& doing);

} // namespace zumastor
