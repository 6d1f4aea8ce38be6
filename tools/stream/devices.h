// SPDX-License-Identifier: GPL-2.0
// Where the content of a stream is read, and where it is written: a snapshot through the daemon, past the
// page cache and under its read locks; a volume's device.
#pragma once

#include <memory>
#include <string>

#include "ddsnapd/client/devices.h"
#include "tools/stream/receiver.h"
#include "tools/stream/sender.h"

namespace zumastor {

// Throws stream::TransferError if the daemon refuses or cannot be reached.
class SnapshotContent final : public stream::SnapshotReader {
public:
    SnapshotContent(std::uint64_t snapshot, const ::ddsnap::client::DeviceOptions& options);
    void read(std::uint64_t offset, std::span<std::byte> data) override;
    void read_all(std::span<const stream::ContentPart> parts) override;

private:
    std::string label_;
    std::unique_ptr<::ddsnap::client::SnapshotDevice> device_;
};

// The snapshot store has no room for what a write to its origin overwrites.
class NoSpace : public stream::TransferError {
public:
    using TransferError::TransferError;
};

// A device or a file, written with O_DIRECT. Zeros are written only where something else is, so that
// what is zero already is neither copied out nor allocated.
class DeviceWriter final : public stream::VolumeWriter {
public:
    explicit DeviceWriter(const std::string& path);
    void read(std::uint64_t offset, std::span<std::byte> data) const;
    void write(std::uint64_t offset, stream::Bytes data) override;      // NoSpace
    void write_all(std::span<const stream::VolumePart> parts) override; // NoSpace
    void zero(std::uint64_t offset, std::uint64_t length) override;
    void flush() override;

private:
    [[noreturn]] void fail(std::uint64_t offset, int error) const;

    std::string path_;
    ::ddsnap::RawDisk disk_;
};

} // namespace zumastor
