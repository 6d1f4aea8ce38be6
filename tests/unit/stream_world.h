// SPDX-License-Identifier: GPL-2.0
// Volumes and streams in memory, for the tests of the replication stream.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tools/stream/receiver.h"
#include "tools/stream/sender.h"

namespace zumastor::stream::test {

using Content = std::vector<std::byte>;

struct MemorySink final : ByteSink {
    bool write(Bytes more) override
    {
        if (bytes.size() + more.size() > limit) {
            return false;
        }
        bytes.insert(bytes.end(), more.begin(), more.end());
        return true;
    }
    std::string error() const override { return "the sink is full"; }
    Content bytes;
    std::size_t limit = SIZE_MAX;
};

struct MemorySource final : ByteSource {
    explicit MemorySource(Bytes b) : bytes(b) {}
    std::size_t read(std::span<std::byte> out) override
    {
        const std::size_t n = std::min(out.size(), bytes.size());
        std::copy_n(bytes.begin(), n, out.begin());
        bytes = bytes.subspan(n);
        return n;
    }
    std::string error() const override { return {}; }
    Bytes bytes;
};

class MemoryVolume final : public SnapshotReader, public VolumeWriter {
public:
    explicit MemoryVolume(Content c) : content(std::move(c)) {}
    void read(std::uint64_t offset, std::span<std::byte> data) override
    {
        std::memcpy(data.data(), &content.at(offset), data.size());
    }
    void write(std::uint64_t offset, Bytes data) override
    {
        const std::lock_guard lock(mutex);
        std::memcpy(&content.at(offset), data.data(), data.size());
        written += data.size();
    }
    void zero(std::uint64_t offset, std::uint64_t length) override
    {
        const std::lock_guard lock(mutex);
        std::memset(&content.at(offset), 0, length);
    }
    void flush() override { ++flushes; }

    Content content;
    std::mutex mutex;
    std::uint64_t written = 0;
    int flushes = 0;
};

inline RunSource runs_of(std::vector<ChunkRun> runs)
{
    return [runs = std::move(runs), at = std::size_t{0}]() mutable -> std::optional<ChunkRun> {
        return at < runs.size() ? std::optional(runs[at++]) : std::nullopt;
    };
}

inline std::uint64_t total(const std::vector<ChunkRun>& runs)
{
    std::uint64_t sum = 0;
    for (const ChunkRun& run : runs) {
        sum += run.count;
    }
    return sum;
}

} // namespace zumastor::stream::test
