// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/range_hasher.h"

#include <algorithm>
#include <memory>

#include "tools/stream/aligned_memory.h"
#include "tools/stream/ordered_workers.h"
#include "tools/stream/stream_io.h"

namespace zumastor::stream {
namespace {

constexpr std::size_t kHashWindow = 16;     // ranges being hashed or waiting for their turn
constexpr std::size_t kHashStep = 1u << 20; // read at once

std::string hex(const std::array<std::byte, 16>& digest)
{
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : digest) {
        text.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4]);
        text.push_back(kDigits[std::to_integer<unsigned>(byte) & 15]);
    }
    return text;
}

using Hashers = OrderedWorkers<std::uint64_t, RangeHash>;

Hashers::Work make_hasher(SnapshotReader& reader, const Ranges& ranges)
{
    auto buffer = std::make_shared<AlignedMemory>(kHashStep);
    return [&reader, &ranges, buffer](std::uint64_t& range) -> RangeHash {
        Digest digest;
        const std::uint64_t end = std::min((range + 1) * ranges.unit, ranges.size);
        try {
            for (std::uint64_t at = range * ranges.unit; at < end; at += kHashStep) {
                const auto part = buffer->bytes().first(std::min<std::uint64_t>(kHashStep, end - at));
                reader.read(at, part);
                digest.add(part);
            }
        } catch (const TransferError&) {
            return {}; // what this means depends on whose content it is
        }
        return hex(digest.value());
    };
}

} // namespace

void hash_ranges(SnapshotReader& reader, const Ranges& ranges, std::uint64_t first, std::uint64_t count,
                 const std::function<void(std::uint64_t range, const RangeHash& hash)>& visit,
                 std::size_t threads)
{
    Hashers workers(threads, kHashWindow, [&] { return make_hasher(reader, ranges); });
    std::uint64_t asked = 0;
    for (std::uint64_t done = 0; done < count; ++done) {
        while (asked < count && !workers.full()) {
            workers.put(first + asked++);
        }
        visit(first + done, workers.take());
    }
}

} // namespace zumastor::stream
