// SPDX-License-Identifier: GPL-2.0
// Making a store, and recognising one.
#include "format/block.h"
#include "format/layout.h"
#include "store/io_group.h"
#include "store/superblock_io.h"

namespace snapstore {

namespace {

// Both copies of `sb`, generation 1 and 2.
Task<Result<void>> write_copies(FramePool& frames, BlockDevice& device, Superblock sb)
{
    (void)frames;
    const AlignedBuffer buffer(2 * kBlockSize.value);
    IoGroup<2> writes;
    for (std::uint64_t generation = 1; generation <= 2; ++generation) {
        sb.generation = generation;
        const auto block = buffer.block(generation - 1);
        pack_superblock(sb, block);
        writes.add(device, IoRequest::Op::write, block_offset(sb.home()), block);
    }
    const IoStatus written = co_await writes;
    if (written != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot write the superblock");
    }
    const IoStatus flushed = co_await DeviceIo(device, IoRequest::Op::flush);
    if (flushed != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot flush the superblock");
    }
    co_return Result<void>{};
}

// Zeroes both places of a superblock, durably: half a store must never look like one.
Task<Result<void>> wipe_copies(FramePool& frames, BlockDevice& device)
{
    (void)frames;
    const AlignedBuffer zeros(kBlockSize.value);
    IoGroup<2> writes;
    for (const Block block : kSuperblockBlock) {
        writes.add(device, IoRequest::Op::write, block_offset(block), zeros.span());
    }
    const IoStatus written = co_await writes;
    if (written != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot write the superblock");
    }
    const IoStatus flushed = co_await DeviceIo(device, IoRequest::Op::flush);
    if (flushed != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot flush the superblock");
    }
    co_return Result<void>{};
}

// Overwrites the ring with zeros: nothing of an earlier store is left to be taken for a record.
Task<Result<void>> wipe_journal(FramePool& frames, BlockDevice& device, Area ring)
{
    (void)frames;
    constexpr std::uint64_t kStep = 64; // blocks
    const AlignedBuffer zeros(kStep * kBlockSize.value);
    for (Block block = ring.first; block < ring.end();) {
        const std::uint64_t count = std::min(kStep, ring.end() - block);
        const IoStatus status =
            co_await DeviceIo(device, IoRequest::Op::write, block_offset(block), zeros.blocks(0, count));
        if (status != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot write the journal", block_offset(block));
        }
        block += count;
    }
    const IoStatus flushed = co_await DeviceIo(device, IoRequest::Op::flush);
    if (flushed != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot flush the journal");
    }
    co_return Result<void>{};
}

} // namespace

Result<void> Store::check_sizes(const Devices& devices, const Format& format)
{
    auto sb = plan_layout(devices, format);
    return sb ? Result<void>{} : tl::unexpected(sb.error());
}

Task<Result<void>> Store::initialize(FramePool& frames, Devices devices, Format format)
{
    auto sb = plan_layout(devices, format);
    if (!sb) {
        co_return tl::unexpected(sb.error());
    }
    BlockDevice& meta = devices.meta != nullptr ? *devices.meta : *devices.store;
    auto done = co_await wipe_copies(frames, meta);
    if (done) {
        done = co_await wipe_journal(frames, meta, sb->ring);
    }
    if (done && devices.meta != nullptr) {
        Superblock identity = *sb;
        identity.role = DeviceRole::data;
        done = co_await write_copies(frames, *devices.store, identity);
    }
    if (done) {
        done = co_await write_copies(frames, meta, *sb);
    }
    co_return done;
}

Task<Result<StoreInfo>> Store::probe(FramePool& frames, BlockDevice& device)
{
    const AlignedBuffer buffer(2 * kBlockSize.value);
    auto sb = co_await read_copies(frames, device, buffer);
    if (!sb) {
        co_return tl::unexpected(sb.error());
    }
    StoreInfo info;
    info.uuid = sb->uuid;
    info.chunk_shift = sb->chunk.shift;
    info.origin_size = sb->origin.size;
    info.epoch = sb->epoch;
    info.store_chunks = sb->data.chunks;
    info.store_size = sb->store_offset(StoreChunk{sb->data.chunks});
    info.meta_size = sb->role == DeviceRole::meta ? block_offset(sb->zone.end()) : Bytes{};
    info.meta_blocks = sb->zone.count;
    info.journal_blocks = sb->ring.count;
    info.exceptions = sb->tree.entries;
    info.snapshots = sb->snapshot_table.count;
    co_return info;
}

} // namespace snapstore
