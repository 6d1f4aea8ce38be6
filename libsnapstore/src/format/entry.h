// SPDX-License-Identifier: GPL-2.0
// An exception: the key that orders them, and a leaf's entry, in memory and as it lies on disk.
#pragma once

#include <compare>
#include <cstdint>

#include "format/disk_format.h"

namespace snapstore {

// Orders exceptions: by chunk, shared before private, then by epoch.
struct Key {
    std::uint64_t key = 0; // chunk << 1 | private
    std::uint32_t epoch = 0;

    auto operator<=>(const Key&) const = default; // NOLINT(modernize-use-nullptr): of the generated code
    static constexpr Key shared(Chunk c, Epoch e) { return {c.value << 1, e.value}; }
    static constexpr Key priv(Chunk c, Epoch e) { return {c.value << 1 | 1, e.value}; }
    constexpr Chunk chunk() const { return Chunk{key >> 1}; }
    constexpr bool is_private() const { return (key & 1) != 0; }
};

inline constexpr Key kNoKey{~std::uint64_t{0}, ~std::uint32_t{0}}; // greater than any

// An exception: a leaf's entry in memory.
struct Entry {
    Key key;
    std::uint32_t crc = 0;
    std::uint64_t location = 0;

    bool zero() const noexcept { return (location & kZeroLocation) != 0; }
    bool lost() const noexcept { return (location & kLostLocation) != 0; }
    bool stored() const noexcept { return !zero() && !lost(); } // in store_chunk()
    StoreChunk store_chunk() const noexcept { return StoreChunk{location & kLocationMask}; }
    bool operator==(const Entry&) const = default;
};

inline Key key_of(const entry_disk& e) noexcept { return {e.key, e.epoch}; }
inline Entry unpack_entry(const entry_disk& e) noexcept { return {key_of(e), e.crc, e.location}; }
inline entry_disk pack_entry(const Entry& e) noexcept
{
    entry_disk disk;
    disk.key = e.key.key;
    disk.epoch = e.key.epoch;
    disk.crc = e.crc;
    disk.location = e.location;
    return disk;
}

} // namespace snapstore
