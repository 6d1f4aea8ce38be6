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

// What a version must know: to use the store at all (incompat), to write to it (ro_compat).
struct Features {
    std::uint64_t compat = 0;
    std::uint64_t ro_compat = 0;
    std::uint64_t incompat = 0;

    bool operator==(const Features&) const = default;
};

struct ChunkSize {
    std::uint32_t shift = 0; // base-2 logarithm of the bytes

    bool operator==(const ChunkSize&) const = default;
    std::uint64_t bytes() const noexcept { return std::uint64_t{1} << shift; }
    std::uint64_t blocks() const noexcept { return bytes() / kBlockSize.value; }
    std::uint64_t sectors() const noexcept { return bytes() / kSectorSize.value; }
};

// Where the copied chunks are, on the store device.
struct DataArea {
    Block start;
    std::uint64_t chunks = 0;

    bool operator==(const DataArea&) const = default;
};

// The origin: its length, and what it is known again by.
struct OriginFacts {
    Sectors size;
    Sectors largest; // its greatest length ever, if it was shrunk since; else 0
    OriginRecord record;

    bool operator==(const OriginFacts&) const = default;
    // The length that no snapshot exceeds.
    Sectors greatest() const noexcept { return std::max(size, largest); }
};

// What replay begins with.
struct JournalStart {
    std::uint64_t incarnation = 0; // of the blocks that count
    Sequence start;                // of the first block that the tree does not have

    bool operator==(const JournalStart&) const = default;
};

struct TreeRoot {
    Block root; // kNoBlock: the tree is empty
    std::uint32_t level = 0;
    std::uint64_t entries = 0;

    bool operator==(const TreeRoot&) const = default;
};

struct TableRoot {
    Block head; // of the chain; kNoBlock: the table is empty
    std::uint64_t count = 0;

    bool operator==(const TableRoot&) const = default;
};

struct Superblock {
    std::uint64_t generation = 0;
    Uuid uuid{};
    DeviceRole role = DeviceRole::whole;
    std::string owner; // at most 127 bytes
    Features features;
    ChunkSize chunk;
    Area ring; // the journal, on the metadata device
    Area zone; // tree and tables, there as well
    DataArea data;
    OriginFacts origin;
    JournalStart journal;
    bool clean = false; // closed in order
    Epoch epoch{1};     // the current, open one
    SnapshotId next_id;
    std::uint32_t max_snapshots = 0;
    TreeRoot tree;
    TableRoot snapshot_table;
    TableRoot attachment_table;

    bool operator==(const Superblock&) const = default;

    // Chunks that a device of this length has, a partial one at its end included.
    std::uint64_t chunks_of(Sectors size) const noexcept
    {
        return size.value / chunk.sectors() + (size.value % chunk.sectors() != 0 ? 1 : 0);
    }
    std::uint64_t origin_chunks() const noexcept { return chunks_of(origin.size); }
    Bytes store_offset(StoreChunk place) const noexcept
    {
        return block_offset(data.start) + Bytes{place.value * chunk.bytes()};
    }
    // The copy that this generation is written to.
    Block home() const noexcept { return kSuperblockBlock[generation & 1]; }
};

// What cannot be right in it, or null.
const char* find_implausible(const Superblock& sb);

// Makes the block for sb.home().
void pack_superblock(const Superblock& sb, std::span<std::byte> block);

// Takes apart what was read from block `number`. not_a_store: no magic; unsupported: feature bits;
// corrupt: anything that does not fit together. Accepts no value that could lead outside an area.
Result<Superblock> unpack_superblock(std::span<const std::byte> block, Block number);

// The newer of two copies as read from their places; the better error if neither is valid.
Result<Superblock> choose_superblock(std::span<const std::byte> copy0, std::span<const std::byte> copy1);

} // namespace snapstore
