// SPDX-License-Identifier: GPL-2.0
#include "format/superblock.h"

#include <algorithm>
#include <cstring>

#include "format/block.h"
#include "snapstore/known_format.h"

namespace snapstore {

namespace {

constexpr std::uint64_t kMaxBlocks = std::uint64_t{1} << 48; // of a device
constexpr std::uint64_t kBlockSectors = kBlockSize.value / kSectorSize.value;
// What grows by one at a time does not get here in the life of a store; beyond, it could overflow.
constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 62;

area_disk pack_area(const Area& area)
{
    area_disk disk;
    disk.first = area.first.value;
    disk.count = area.count;
    return disk;
}

Area unpack_area(const area_disk& disk) { return {Block{disk.first}, disk.count}; }

bool plausible(Block first) { return first >= kFirstFreeBlock && first < Block{kMaxBlocks}; }

bool plausible(const Area& area) { return plausible(area.first) && area.count < kMaxBlocks; }

// A block that must lie in the metadata zone if something is there, and else must be none.
bool plausible_root(const Superblock& sb, Block root, std::uint64_t count)
{
    return count == 0 ? root == kNoBlock : sb.zone.contains(root);
}

} // namespace

const char* find_implausible(const Superblock& sb)
{
    if (!is_chunk_shift(sb.chunk.shift)) {
        return "superblock: chunk size out of range";
    }
    if (sb.data.chunks >= kMaxBlocks / sb.chunk.blocks() || !plausible(sb.data.start)) {
        return "superblock: data area out of range";
    }
    if (sb.origin.size.value >= kMaxBlocks * kBlockSectors) {
        return "superblock: origin size out of range";
    }
    const bool shrunk = (sb.features.incompat & kIncompatShrunkOrigin) != 0;
    if (sb.origin.largest.value >= kMaxBlocks * kBlockSectors || shrunk != (sb.origin.largest.value != 0)) {
        return "superblock: largest origin size out of range";
    }
    if (sb.generation >= kMaxCount || sb.journal.incarnation >= kMaxCount ||
        sb.journal.start >= Sequence{kMaxCount}) {
        return "superblock: count out of range";
    }
    if (sb.role == DeviceRole::data) {
        return nullptr; // only identity and data area
    }
    if (!plausible(sb.ring) || !plausible(sb.zone) || sb.ring.count < kMinJournal ||
        sb.ring.end() > sb.zone.first) {
        return "superblock: areas overlap or out of range";
    }
    if (sb.role == DeviceRole::whole && sb.zone.end() > sb.data.start) {
        return "superblock: areas overlap or out of range";
    }
    if (sb.tree.level > 16 || sb.epoch.value == 0 || sb.snapshot_table.count > sb.max_snapshots) {
        return "superblock: value out of range";
    }
    if (!plausible_root(sb, sb.tree.root, sb.tree.entries) ||
        !plausible_root(sb, sb.snapshot_table.head, sb.snapshot_table.count) ||
        !plausible_root(sb, sb.attachment_table.head, sb.attachment_table.count)) {
        return "superblock: root out of range";
    }
    return nullptr;
}

namespace {

Superblock convert(const superblock_disk& disk)
{
    Superblock sb;
    sb.generation = disk.header.generation;
    sb.uuid = disk.uuid;
    sb.role = static_cast<DeviceRole>(disk.role.get());
    sb.features = {disk.compat, disk.ro_compat, disk.incompat};
    sb.chunk = {disk.chunk_shift};
    sb.origin.size = Sectors{disk.origin_sectors};
    sb.ring = unpack_area(disk.journal);
    sb.zone = unpack_area(disk.meta);
    sb.data = {Block{disk.data_start}, disk.data_chunks};
    sb.journal = {disk.incarnation, Sequence{disk.journal_start}};
    sb.clean = (disk.flags & kSuperblockClean) != 0;
    sb.epoch = Epoch{disk.epoch};
    sb.next_id = SnapshotId{disk.next_id};
    sb.max_snapshots = disk.max_snapshots;
    sb.tree = {Block{disk.root}, disk.root_level, disk.entries};
    sb.snapshot_table = {Block{disk.snapshot_table}, disk.snapshot_count};
    sb.attachment_table = {Block{disk.attachment_table}, disk.attachment_count};
    const auto* text = reinterpret_cast<const char*>(disk.owner.data());
    sb.owner.assign(text, ::strnlen(text, disk.owner.size() - 1));
    sb.origin.largest = Sectors{disk.largest_origin};
    const auto* identity = reinterpret_cast<const char*>(disk.origin_identity.data());
    sb.origin.record.set_identity({identity, ::strnlen(identity, disk.origin_identity.size())});
    for (std::size_t i = 0; i < kOriginSamples; ++i) {
        const origin_sample_disk& sample = disk.origin_samples[i];
        sb.origin.record.samples[i] = OriginSample{OriginBlock{sample.block}, sample.epoch, sample.crc};
    }
    return sb;
}

} // namespace

void pack_superblock(const Superblock& sb, std::span<std::byte> block)
{
    superblock_disk disk{};
    disk.uuid = sb.uuid;
    disk.version = kFormatVersion;
    disk.role = static_cast<std::uint32_t>(sb.role);
    disk.compat = sb.features.compat;
    disk.ro_compat = sb.features.ro_compat;
    disk.incompat = sb.features.incompat;
    disk.block_size = static_cast<std::uint32_t>(kBlockSize.value);
    disk.chunk_shift = sb.chunk.shift;
    disk.origin_sectors = sb.origin.size.value;
    disk.journal = pack_area(sb.ring);
    disk.meta = pack_area(sb.zone);
    disk.data_start = sb.data.start.value;
    disk.data_chunks = sb.data.chunks;
    disk.incarnation = sb.journal.incarnation;
    disk.journal_start = sb.journal.start.value;
    disk.flags = sb.clean ? kSuperblockClean : 0U;
    disk.epoch = sb.epoch.value;
    disk.next_id = sb.next_id.value;
    disk.root = sb.tree.root.value;
    disk.root_level = sb.tree.level;
    disk.max_snapshots = sb.max_snapshots;
    disk.entries = sb.tree.entries;
    disk.snapshot_table = sb.snapshot_table.head.value;
    disk.snapshot_count = sb.snapshot_table.count;
    disk.attachment_table = sb.attachment_table.head.value;
    disk.attachment_count = sb.attachment_table.count;
    disk.largest_origin = sb.origin.largest.value;
    std::memcpy(disk.origin_identity.data(), sb.origin.record.identity.data(), disk.origin_identity.size());
    for (std::size_t i = 0; i < kOriginSamples; ++i) {
        origin_sample_disk& sample = disk.origin_samples[i];
        sample.block = sb.origin.record.samples[i].block.value;
        sample.epoch = sb.origin.record.samples[i].epoch;
        sample.crc = sb.origin.record.samples[i].crc;
    }
    std::memcpy(disk.owner.data(), sb.owner.data(), std::min(sb.owner.size(), disk.owner.size() - 1));
    store_disk(block, disk);
    seal_block(block, kSuperblockMagic, sb.home(), uuid_prefix(sb.uuid), sb.generation);
}

KnownFormat known_format() { return {kFormatVersion, kKnownRoCompat, kKnownIncompat}; }

Result<Superblock> unpack_superblock(std::span<const std::byte> block, Block number)
{
    const auto disk = load_disk<superblock_disk>(block);
    const Bytes where = block_offset(number);
    if (disk.header.magic != kSuperblockMagic) {
        return fail(Errc::not_a_store, "no superblock", where);
    }
    if (auto ok = verify_block(block, kSuperblockMagic, number, uuid_prefix(disk.uuid)); !ok) {
        return tl::unexpected(ok.error());
    }
    if (disk.version != kFormatVersion) {
        return fail(Errc::unsupported, "unknown version of the format", disk.version);
    }
    if (const std::uint64_t bits = disk.incompat & ~kKnownIncompat; bits != 0) {
        return fail(Errc::unsupported, "unknown incompatible feature bits", bits);
    }
    if (const std::uint64_t bits = disk.ro_compat & ~kKnownRoCompat; bits != 0) {
        return fail(Errc::unsupported, "unknown feature bits that forbid writing", bits);
    }
    if (disk.block_size != kBlockSize.value || disk.role > static_cast<std::uint32_t>(DeviceRole::data)) {
        return fail(Errc::corrupt, "superblock: value out of range", where);
    }
    Superblock sb = convert(disk);
    if (sb.home() != number) {
        return fail(Errc::corrupt, "superblock: wrong copy for its generation", where);
    }
    if (const char* what = find_implausible(sb); what != nullptr) {
        return fail(Errc::corrupt, what, where);
    }
    return sb;
}

Result<Superblock> choose_superblock(std::span<const std::byte> copy0, std::span<const std::byte> copy1)
{
    auto first = unpack_superblock(copy0, kSuperblockBlock[0]);
    auto second = unpack_superblock(copy1, kSuperblockBlock[1]);
    // A copy with unknown features is newer than we are; the other one must not be used behind its back.
    for (const auto* copy : {&first, &second}) {
        if (!*copy && copy->error().code == Errc::unsupported) {
            return *copy;
        }
    }
    if (first && second) {
        if (first->uuid != second->uuid) {
            return fail(Errc::corrupt, "superblock copies of two volumes", block_offset(kSuperblockBlock[1]));
        }
        return first->generation > second->generation ? first : second;
    }
    if (first) {
        return first;
    }
    if (second || first.error().code == Errc::not_a_store) {
        return second;
    }
    return first;
}

} // namespace snapstore
