// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/devices.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "ddsnapd/disk/disk_batch.h"
#include "tools/stream/aligned_memory.h"

namespace zumastor {
namespace {

constexpr std::size_t kZeroStep = 256u << 10; // read, compared, and written if need be, at once

template <class Disk>
Disk need(tl::expected<Disk, std::string> opened)
{
    if (!opened) {
        throw stream::TransferError(opened.error());
    }
    return std::move(*opened);
}

} // namespace

SnapshotContent::SnapshotContent(std::uint64_t snapshot, const ddsnap::client::DeviceOptions& options)
    : label_(fmt::format("snapshot {}", snapshot)),
      device_(need(ddsnap::client::SnapshotDevice::open(snapstore::SnapshotId{snapshot}, options)))
{}

void SnapshotContent::read(std::uint64_t offset, std::span<std::byte> data)
{
    if (const auto status = device_->read(offset, data); status != ddsnap::wire::Status::ok) {
        throw stream::TransferError(
            fmt::format("{}: cannot be read at byte {}: {}", label_, offset, ddsnap::wire::name_of(status)));
    }
}

void SnapshotContent::read_all(std::span<const stream::ContentPart> parts)
{
    std::vector<ddsnap::client::SnapshotDevice::Part> wanted;
    wanted.reserve(parts.size());
    for (const stream::ContentPart& part : parts) {
        wanted.push_back({part.offset, part.data});
    }
    if (const auto status = device_->read(wanted); status != ddsnap::wire::Status::ok) {
        throw stream::TransferError(
            fmt::format("{}: cannot be read between bytes {} and {}: {}", label_, parts.front().offset,
                        parts.back().offset + parts.back().data.size(), ddsnap::wire::name_of(status)));
    }
}

DeviceWriter::DeviceWriter(const std::string& path) : path_(path), disk_(need(ddsnap::RawDisk::open(path))) {}

void DeviceWriter::read(std::uint64_t offset, std::span<std::byte> data) const
{
    if (!disk_.read(offset, data)) {
        throw stream::TransferError(fmt::format("{}: cannot be read at byte {}", path_, offset));
    }
}

void DeviceWriter::write(std::uint64_t offset, stream::Bytes data)
{
    if (!disk_.write(offset, data)) {
        fail(offset, errno);
    }
}

void DeviceWriter::write_all(std::span<const stream::VolumePart> parts)
{
    std::vector<ddsnap::DiskOp> ops;
    ops.reserve(parts.size());
    for (const stream::VolumePart& part : parts) {
        ops.push_back(ddsnap::DiskOp::write(disk_, part.offset, part.data));
    }
    ddsnap::run_all(ops);
    for (const ddsnap::DiskOp& op : ops) {
        if (op.error != 0) {
            fail(op.offset, op.error);
        }
    }
}

void DeviceWriter::fail(std::uint64_t offset, int error) const
{
    if (error == ENOSPC) {
        throw NoSpace(fmt::format("{}: its snapshot store is full", path_));
    }
    throw stream::TransferError(fmt::format("{}: cannot be written at byte {}", path_, offset));
}

void DeviceWriter::zero(std::uint64_t offset, std::uint64_t length)
{
    const AlignedMemory memory(kZeroStep);
    for (const std::uint64_t end = offset + length; offset < end;) {
        const auto part = memory.bytes().first(std::min<std::uint64_t>(kZeroStep, end - offset));
        read(offset, part);
        if (!stream::all_zero(part)) {
            std::fill(part.begin(), part.end(), std::byte{0});
            write(offset, part);
        }
        offset += part.size();
    }
}

void DeviceWriter::flush()
{
    if (!disk_.flush()) {
        throw stream::TransferError(fmt::format("{}: cannot be flushed", path_));
    }
}

} // namespace zumastor
