// SPDX-License-Identifier: GPL-2.0
// The superblock: identity, layout and roots of a store. Two copies, chosen by the generation's lowest
// bit, so that a torn write always leaves the other one.
//
// Invariant: everything the newest durable superblock refers to stays as it is until the next one is
// durable. (store_model_test: power cuts)
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "format/disk_format.h"
#include "format/origin_record.h"
#include "snapstore/error.h"

namespace snapstore {

struct Area {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t end() const noexcept { return first + count; }
    bool contains(std::uint64_t block) const noexcept { return block >= first && block - first < count; }
    bool operator==(const Area&) const = default;
};

struct Superblock {
    std::uint64_t generation = 0;
    Uuid uuid{};
    DeviceRole role = DeviceRole::whole;
    std::uint64_t compat = 0;
    std::uint64_t ro_compat = 0;
    std::uint64_t incompat = 0;
    std::uint32_t chunk_shift = 0;
    Sectors origin_size;
    Area journal; // in blocks, on the metadata device
    Area meta;
    std::uint64_t data_start = 0; // in blocks, on the store device
    std::uint64_t data_chunks = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t journal_start = 0;
    bool clean = false;
    Epoch epoch{1}; // the current, open one
    SnapshotId next_id;
    std::uint64_t root = 0;
    std::uint32_t root_level = 0;
    std::uint32_t max_snapshots = 0;
    std::uint64_t entries = 0;
    std::uint64_t snapshot_table = 0;
    std::uint64_t snapshot_count = 0;
    std::uint64_t attachment_table = 0;
    std::uint64_t attachment_count = 0;
    std::string owner;      // at most 127 bytes
    Sectors largest_origin; // the origin's greatest length ever, if it was shrunk since; else 0
    OriginRecord origin;

    bool operator==(const Superblock&) const = default;

    std::uint64_t chunk_bytes() const noexcept { return std::uint64_t{1} << chunk_shift; }
    std::uint64_t chunk_blocks() const noexcept { return chunk_bytes() / kBlockSize.value; }
    std::uint64_t chunk_sectors() const noexcept { return chunk_bytes() / kSectorSize.value; }
    // Chunks that a device of this length has, a partial one at its end included.
    std::uint64_t chunks_of(Sectors size) const noexcept
    {
        return size.value / chunk_sectors() + (size.value % chunk_sectors() != 0 ? 1 : 0);
    }
    std::uint64_t origin_chunks() const noexcept { return chunks_of(origin_size); }
    // The length that no snapshot exceeds.
    Sectors greatest_size() const noexcept { return std::max(origin_size, largest_origin); }
    // Block number of the copy that this generation is written to.
    std::uint64_t home() const noexcept { return kSuperblockBlock[generation & 1]; }
};

// What cannot be right in it, or null.
const char* find_implausible(const Superblock& sb);

// Makes the block for sb.home().
void pack_superblock(const Superblock& sb, std::span<std::byte> block);

// Takes apart what was read from block `number`. not_a_store: no magic; unsupported: feature bits;
// corrupt: anything that does not fit together. Accepts no value that could lead outside an area.
Result<Superblock> unpack_superblock(std::span<const std::byte> block, std::uint64_t number);

// The newer of two copies as read from their places; the better error if neither is valid.
Result<Superblock> choose_superblock(std::span<const std::byte> copy0, std::span<const std::byte> copy1);

} // namespace snapstore
