// SPDX-License-Identifier: GPL-2.0
// Everything that lies on disk, byte for byte; docs/store-format.md explains it. This is the only
// definition. All integers are little-endian and unaligned; structures have no padding.
#pragma once

#include <array>

#include "format/block_number.h"
#include "format/le.h"
#include "snapstore/types.h"

namespace snapstore {

// The beginning of every metadata block.
struct block_header_disk {
    le32 magic;
    le32 crc;        // CRC-32C of the whole block, this field taken as zero
    le64 block;      // own number, in blocks from the start of the device
    le64 uuid;       // the first 8 bytes of the volume's UUID
    le64 generation; // journal: sequence number of the block
};
static_assert(sizeof(block_header_disk) == 32);

inline constexpr std::uint32_t kSuperblockMagic = 0x42535a31; // "1ZSB"
inline constexpr std::uint32_t kJournalMagic = 0x4c4a5a31;    // "1ZJL"
inline constexpr std::uint32_t kNodeMagic = 0x444e5a31;       // "1ZND"
inline constexpr std::uint32_t kTableMagic = 0x42545a31;      // "1ZTB"
inline constexpr std::uint32_t kWitnessMagic = 0x54575a31;    // "1ZWT"

inline constexpr std::uint32_t kFormatVersion = 1;

// Feature bits. A store with an incompatible bit that is not in kKnownIncompat is refused; one with an
// unknown ro_compat bit too, since this version has no read-only mode.
inline constexpr std::uint64_t kIncompatStoredBitmaps = 1; // reserved: allocation bitmaps on disk
inline constexpr std::uint64_t kIncompatExtents = 2;       // reserved: entries that cover runs of chunks
inline constexpr std::uint64_t kIncompatPagedTree = 4;     // reserved: trees larger than memory
// The origin was larger once: exceptions and snapshots may reach beyond its end, up to largest_origin.
inline constexpr std::uint64_t kIncompatShrunkOrigin = 8;
// All snapshots that are found in it are lost: a life before this one let the origin be written without
// copies, as the store had failed. open() squashes them and takes the bit away (loss.h).
inline constexpr std::uint64_t kIncompatLost = 16;
// Exceptions of the tree may have kLostLocation.
inline constexpr std::uint64_t kIncompatLostChunks = 32;
inline constexpr std::uint64_t kKnownIncompat = kIncompatShrunkOrigin | kIncompatLost | kIncompatLostChunks;
inline constexpr std::uint64_t kKnownRoCompat = 0;

inline constexpr Block kSuperblockBlock[2] = {Block{1}, Block{16}};
inline constexpr Block kFirstFreeBlock{32};
inline constexpr std::uint64_t kMinJournal = 16; // blocks

// ---- superblock ----

enum class DeviceRole : std::uint32_t { whole = 0, meta = 1, data = 2 };

struct area_disk {
    le64 first; // in blocks
    le64 count;
};

inline constexpr std::uint32_t kSuperblockClean = 1; // flags: closed in order

inline constexpr std::size_t kOriginIdentity = 256; // bytes
inline constexpr std::size_t kOriginSamples = 64;

struct origin_sample_disk {
    le64 block;
    le32 epoch; // 0: unused
    le32 crc;   // CRC-32C of the block
};
static_assert(sizeof(origin_sample_disk) == 16);

struct superblock_disk {
    block_header_disk header;
    std::array<std::byte, 16> uuid;
    le32 version;
    le32 role;
    le64 compat;
    le64 ro_compat;
    le64 incompat;
    le32 block_size;
    le32 chunk_shift;
    le64 origin_sectors;
    area_disk journal;
    area_disk meta;
    le64 data_start; // block of the first data chunk, on the store device
    le64 data_chunks;
    le64 incarnation;
    le64 journal_start; // sequence of the first block to replay
    le32 flags;
    le32 epoch;
    le64 next_id;
    le64 root; // tree root's block; 0 = empty tree
    le32 root_level;
    le32 max_snapshots;
    le64 entries;
    le64 snapshot_table; // first block of the chain; 0 = empty
    le64 snapshot_count;
    le64 attachment_table;
    le64 attachment_count;
    std::array<std::byte, 128> owner;                       // text for people, NUL-padded
    le64 largest_origin;                                    // sectors; 0 without kIncompatShrunkOrigin
    std::array<std::byte, kOriginIdentity> origin_identity; // words, NUL-padded (origin_record.h)
    std::array<origin_sample_disk, kOriginSamples> origin_samples;
    std::array<std::byte, 2448> reserved;
};
static_assert(sizeof(superblock_disk) == 4096);

// ---- witness ----

// The only block of the witness, a file elsewhere than on the volume's devices: zeros, or that the snapshots
// up to `epoch` are lost. All that is not zero lies in its first sector.
struct witness_disk {
    block_header_disk header; // block: 0; generation: of the superblock that was current then
    std::array<std::byte, 16> uuid;
    le32 version; // 1
    le32 epoch;
    std::array<std::byte, 4040> reserved;
};
static_assert(sizeof(witness_disk) == 4096);

// ---- journal ----

struct journal_header_disk {
    block_header_disk header; // generation: the block's sequence number
    le64 incarnation;
    le64 durable;    // sequence of the last block known durable when this one was written
    le64 superblock; // generation of the superblock that was current then
    le16 used;       // record slots in use
    std::array<std::byte, 6> reserved;
};
static_assert(sizeof(journal_header_disk) == 64);

enum class RecordType : std::uint8_t {
    none = 0, // the rest of the block is unused
    add_shared = 1,
    add_private = 2,
    create = 3,
    remove = 4,
    squash = 5,
    priority = 6,
    use_count = 7,
    attach = 8,
    detach = 9,
};

// One slot. A record with a payload has it in the slots that follow, in the same block.
struct record_disk {
    std::uint8_t type;  // RecordType
    std::uint8_t slots; // in all, this one included
    le16 reserved;
    le32 epoch;    // add_*: of the exception; others: of the snapshot
    le64 chunk;    // add_*: the chunk; detach: first half of the client's UUID
    le64 location; // add_*: as in an entry; priority, use_count: the new value; detach: second half
    le32 crc;      // add_*: CRC-32C of the chunk's data
    le32 reserved2;
};
static_assert(sizeof(record_disk) == 32);

inline constexpr std::size_t kSlotsPerBlock = (4096 - sizeof(journal_header_disk)) / sizeof(record_disk);
static_assert(kSlotsPerBlock == 126);

struct journal_block_disk {
    journal_header_disk header;
    std::array<record_disk, kSlotsPerBlock> slots;
};
static_assert(sizeof(journal_block_disk) == 4096);

// ---- tree ----

inline constexpr std::uint64_t kZeroLocation = std::uint64_t{1} << 63; // flag: all zeros, nothing stored
// Flag, of shared exceptions, without a chunk: the origin could not be read when it was to be copied.
inline constexpr std::uint64_t kLostLocation = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kLocationMask = (std::uint64_t{1} << 56) - 1;

struct entry_disk {
    le64 key; // chunk << 1 | private
    le32 epoch;
    le32 crc;      // leaf: CRC-32C of the data; inner: highest epoch of an exception below (highest_epoch())
    le64 location; // leaf: store chunk and flags; inner: block of the child (child_block())
};
static_assert(sizeof(entry_disk) == 24);

inline constexpr std::size_t kNodeEntries = (4096 - 64) / sizeof(entry_disk);
static_assert(kNodeEntries == 168);

struct node_disk {
    block_header_disk header;
    le16 level; // 0 = leaf
    le16 count;
    std::array<std::byte, 28> reserved;
    std::array<entry_disk, kNodeEntries> entries;
};
static_assert(sizeof(node_disk) == 4096);

// ---- tables: chains of blocks ----

inline constexpr std::size_t kTablePayload = 4096 - 64;

struct table_block_disk {
    block_header_disk header;
    le64 next; // block; 0 = last
    le16 kind; // TableKind
    le16 count;
    std::array<std::byte, 20> reserved;
    std::array<std::byte, kTablePayload> payload; // entries, packed
};
static_assert(sizeof(table_block_disk) == 4096);

enum class TableKind : std::uint16_t { snapshots = 1, attachments = 2 };

inline constexpr std::uint8_t kSnapshotSwept = 1; // flags: squashed, its garbage is out of the tree

// An entry of the snapshot table; also the payload of a create record.
struct snapshot_disk {
    le64 id;
    le32 epoch;
    le32 use_count;
    std::array<std::byte, 16> uuid;
    le64 created_ns;
    le64 size;             // sectors
    std::uint8_t priority; // two's complement
    std::uint8_t state;    // SnapshotState
    std::uint8_t flags;
    std::array<std::byte, 13> reserved;
    std::array<char, 64> name; // NUL-padded
    std::array<char, 32> tag;
    std::array<std::byte, 32> reserved2;
};
static_assert(sizeof(snapshot_disk) == 192);

inline constexpr std::uint64_t kMaxAttachments = 1024; // entries of the table of attachments

struct attachment_disk {
    std::array<std::byte, 16> client;
    std::array<std::byte, 16> boot;
    le64 snapshot;
    le32 origin; // 1 = origin client
    le32 kind;
    le32 major_or_pid;
    le32 minor;
    le64 start_time;
    std::array<char, 64> name;
};
static_assert(sizeof(attachment_disk) == 128);

inline constexpr std::uint8_t kCreateSlots = 1 + sizeof(snapshot_disk) / sizeof(record_disk);
inline constexpr std::uint8_t kAttachSlots = 1 + sizeof(attachment_disk) / sizeof(record_disk);

} // namespace snapstore
