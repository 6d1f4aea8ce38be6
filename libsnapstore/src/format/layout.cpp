// SPDX-License-Identifier: GPL-2.0
#include "format/layout.h"

#include <algorithm>

#include "format/table_chain.h"

namespace snapstore {

namespace {

Block round_up(Block block, std::uint64_t unit) { return Block{(block.value + unit - 1) / unit * unit}; }

// The first block that the device does not have as a whole.
Block end_of(const BlockDevice& device) { return Block{device.size().value / kBlockSize.value}; }

// By the store's size: 1/512 of it, from 64 KiB to 32 MiB.
std::uint64_t default_journal(std::uint64_t store_blocks)
{
    return std::clamp<std::uint64_t>(store_blocks / 512, kMinJournal, 8192);
}

std::uint64_t snapshots_for(std::uint64_t chunks) { return std::clamp<std::uint64_t>(chunks, 256, 65536); }

std::uint64_t zone_for(std::uint64_t chunks) { return snapstore::zone_for(chunks, snapshots_for(chunks)); }

// The largest number of chunks that fits into `blocks` blocks, `per_chunk` blocks each, if what they need
// in metadata counts as well (`with_zone`).
std::uint64_t fit_chunks(std::uint64_t blocks, std::uint64_t per_chunk, bool with_zone)
{
    std::uint64_t low = 0;
    std::uint64_t high = blocks / per_chunk;
    while (low < high) {
        const std::uint64_t middle = low + (high - low + 1) / 2;
        const std::uint64_t zone = with_zone ? zone_for(middle) + per_chunk : 0; // aligned to the chunk size
        if (middle * per_chunk + zone <= blocks) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

Result<void> plan_areas(Superblock& sb, const Devices& devices)
{
    const Block store_end = end_of(*devices.store);
    const std::uint64_t per_chunk = sb.chunk.blocks();
    const bool separate = devices.meta != nullptr;
    const Block unused = separate ? round_up(kFirstFreeBlock, per_chunk) : sb.ring.end();
    if (store_end <= unused) {
        return fail(Errc::too_small, "the snapshot store is too small");
    }
    sb.data.chunks = fit_chunks(store_end - unused, per_chunk, !separate);
    if (sb.data.chunks < kMinStoreChunks) {
        return fail(Errc::too_small, "the snapshot store is too small");
    }
    sb.max_snapshots = static_cast<std::uint32_t>(snapshots_for(sb.data.chunks));
    sb.zone = Area{sb.ring.end(), zone_for(sb.data.chunks)};
    if (!separate) {
        sb.data.start = round_up(sb.zone.end(), per_chunk);
        return {};
    }
    sb.data.start = unused;
    const Block meta_end = end_of(*devices.meta);
    if (meta_end < sb.zone.end()) {
        return fail(Errc::too_small, "the metadata device is too small for the store", sb.zone.end().value);
    }
    sb.zone.count = meta_end - sb.zone.first;
    return {};
}

} // namespace

std::uint64_t zone_for(std::uint64_t chunks, std::uint64_t snapshots)
{
    const std::uint64_t entries = chunks + chunks / 4;
    const std::uint64_t nodes = entries / (kNodeEntries / 2) + entries / (kNodeEntries / 2) / 32 + 8;
    const std::uint64_t tables = TableChain::blocks_for(snapshots, sizeof(snapshot_disk)) +
                                 TableChain::blocks_for(kMaxAttachments, sizeof(attachment_disk));
    return 2 * nodes + 3 * tables + 128;
}

Result<Superblock> plan_layout(const Devices& devices, const Format& format)
{
    if (devices.origin == nullptr || devices.store == nullptr) {
        return fail(Errc::invalid, "an origin and a snapshot store are needed");
    }
    if (!is_chunk_shift(format.chunk_shift)) {
        return fail(Errc::invalid, "the chunk size must be from 4 KiB to 1 MiB", format.chunk_shift);
    }
    if (format.origin_size.value == 0 || to_bytes(format.origin_size) > devices.origin->size()) {
        return fail(Errc::invalid, "the origin's length is zero, or larger than its device");
    }
    const std::uint64_t store_blocks = devices.store->size().value / kBlockSize.value;
    Superblock sb;
    sb.generation = 1;
    sb.uuid = format.uuid;
    sb.role = devices.meta != nullptr ? DeviceRole::meta : DeviceRole::whole;
    sb.chunk.shift = format.chunk_shift;
    sb.origin.size = format.origin_size;
    const std::uint64_t journal =
        format.journal ? format.journal->value / kBlockSize.value : default_journal(store_blocks);
    if (journal < kMinJournal) {
        return fail(Errc::invalid, "the journal must have at least 64 KiB", journal);
    }
    sb.ring = Area{kFirstFreeBlock, journal};
    sb.journal = {1, Sequence{1}};
    sb.clean = true;
    if (auto ok = plan_areas(sb, devices); !ok) {
        return tl::unexpected(ok.error());
    }
    return sb;
}

} // namespace snapstore
