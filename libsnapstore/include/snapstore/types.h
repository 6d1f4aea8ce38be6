// SPDX-License-Identifier: GPL-2.0
// Strong types for the quantities that must never be mixed up: bytes, sectors, chunks, epochs and
// snapshot numbers. All are trivially copyable values without units conversions hidden in them.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace snapstore {

// A tagged unsigned integer. Arithmetic stays within one tag; crossing tags takes a named function.
template <class Tag, class Rep = std::uint64_t>
struct Quantity {
    Rep value{};

    constexpr auto operator<=>(const Quantity&) const = default; // NOLINT(modernize-use-nullptr)
    constexpr Quantity& operator+=(Quantity o)
    {
        value = static_cast<Rep>(value + o.value);
        return *this;
    }
    constexpr Quantity& operator-=(Quantity o)
    {
        value = static_cast<Rep>(value - o.value);
        return *this;
    }
    constexpr Quantity& operator++()
    {
        ++value;
        return *this;
    }
    friend constexpr Quantity operator+(Quantity a, Quantity b) { return a += b; }
    friend constexpr Quantity operator-(Quantity a, Quantity b) { return a -= b; }
};

using Bytes = Quantity<struct BytesTag>;                // 8-bit bytes; also byte offsets on a device
using Sectors = Quantity<struct SectorsTag>;            // 512 bytes each
using Chunk = Quantity<struct ChunkTag>;                // number of a chunk of the origin, from 0
using StoreChunk = Quantity<struct StoreChunkTag>;      // number of a chunk of the store's data area, from 0
using Epoch = Quantity<struct EpochTag, std::uint32_t>; // 0 = none; the first snapshot closes epoch 1
using SnapshotId = Quantity<struct SnapshotIdTag>;      // the user's number of a snapshot, from 0

using Uuid = std::array<std::byte, 16>;

inline constexpr Bytes kBlockSize{4096}; // metadata block; also the alignment of all device I/O
inline constexpr Bytes kSectorSize{512};

// Chunks have 4 KiB to 1 MiB: the base-2 logarithm of their size in bytes.
inline constexpr std::uint32_t kMinChunkShift = 12;
inline constexpr std::uint32_t kMaxChunkShift = 20;
constexpr bool is_chunk_shift(std::uint64_t shift)
{
    return shift >= kMinChunkShift && shift <= kMaxChunkShift;
}

constexpr Bytes to_bytes(Sectors s) { return Bytes{s.value * kSectorSize.value}; }
constexpr Sectors to_sectors_floor(Bytes b) { return Sectors{b.value / kSectorSize.value}; }

// A run of chunks of the origin: [first, first + count).
struct ChunkRange {
    Chunk first;
    std::uint32_t count = 0;

    constexpr Chunk end() const { return Chunk{first.value + count}; }
    constexpr bool operator==(const ChunkRange&) const = default;
};

// Of a line for the log: the store's, and its daemon's.
enum class Severity : std::uint8_t { info, warning, error };

} // namespace snapstore
