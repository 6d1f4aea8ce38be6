// SPDX-License-Identifier: GPL-2.0
#include "store/superblock_io.h"

#include <utility>

#include "store/io_group.h"

namespace snapstore {

Task<Result<Superblock>> read_copies(FramePool& frames, BlockDevice& device, const AlignedBuffer& buffer)
{
    (void)frames;
    if (device.size() < block_offset(kFirstFreeBlock)) {
        co_return fail(Errc::not_a_store, "too small for a snapshot store");
    }
    IoGroup<2> reads;
    for (std::size_t i = 0; i < 2; ++i) {
        reads.add(device, IoRequest::Op::read, block_offset(kSuperblockBlock[i]), buffer.block(i));
    }
    (void)co_await reads;
    const AlignedBuffer nothing(kBlockSize.value);
    const bool both_failed = reads.status(0) != IoStatus::ok && reads.status(1) != IoStatus::ok;
    if (both_failed) {
        co_return fail(Errc::io_error, "cannot read the superblock", block_offset(kSuperblockBlock[0]));
    }
    // One unreadable copy is as good as a torn one.
    co_return choose_superblock(reads.status(0) == IoStatus::ok ? buffer.block(0) : nothing.span(),
                                reads.status(1) == IoStatus::ok ? buffer.block(1) : nothing.span());
}

Task<Result<void>> read_superblocks(Context& ctx)
{
    const AlignedBuffer buffer(2 * kBlockSize.value);
    auto main = co_await read_copies(ctx.frames(), ctx.meta_device(), buffer);
    if (!main) {
        co_return tl::unexpected(main.error());
    }
    const DeviceRole expected = ctx.separate_meta() ? DeviceRole::meta : DeviceRole::whole;
    if (main->role == DeviceRole::meta && !ctx.separate_meta()) {
        co_return fail(Errc::mismatch, "this is a metadata device; the snapshot store is another one");
    }
    if (main->role != expected) {
        co_return fail(Errc::mismatch, "the devices' roles do not fit: with or without a metadata device?");
    }
    if (ctx.separate_meta()) {
        auto identity = co_await read_copies(ctx.frames(), ctx.store_device(), buffer);
        if (!identity) {
            co_return tl::unexpected(identity.error());
        }
        // More chunks than the main one knows: a growth that a crash has broken off (resize.h).
        if (identity->uuid != main->uuid || identity->role != DeviceRole::data ||
            identity->data.start != main->data.start || identity->data.chunks < main->data.chunks) {
            co_return fail(Errc::mismatch, "snapshot store and metadata device are of two volumes");
        }
    }
    ctx.sb = std::move(*main);
    co_return Result<void>{};
}

Result<void> check_devices(const Context& ctx)
{
    const Bytes data_end = ctx.store_offset(StoreChunk{ctx.sb.data.chunks});
    const BlockDevice& meta = ctx.separate_meta() ? *ctx.devices.meta : *ctx.devices.store;
    if (ctx.devices.store->size() < data_end || meta.size() < block_offset(ctx.sb.zone.end())) {
        return fail(Errc::mismatch, "a device is smaller than the store on it", data_end);
    }
    if (ctx.devices.origin->size() < to_bytes(ctx.sb.origin.size)) {
        return fail(Errc::mismatch, "the origin is smaller than the volume", to_bytes(ctx.sb.origin.size));
    }
    return {};
}

Task<Result<void>> write_identity(Context& ctx, std::uint64_t data_chunks)
{
    const AlignedBuffer buffer(2 * kBlockSize.value);
    auto found = co_await read_copies(ctx.frames(), ctx.store_device(), buffer);
    if (!found) {
        co_return tl::unexpected(found.error());
    }
    Superblock identity = std::move(*found);
    identity.data.chunks = data_chunks;
    if (const char* what = find_implausible(identity); what != nullptr) {
        co_return fail(Errc::invalid, what);
    }
    for (int copy = 0; copy < 2; ++copy) {
        ++identity.generation;
        pack_superblock(identity, buffer.block(0));
        const IoStatus written = co_await DeviceIo(ctx.store_device(), IoRequest::Op::write,
                                                   block_offset(identity.home()), buffer.block(0));
        const IoStatus flushed =
            written == IoStatus::ok ? co_await DeviceIo(ctx.store_device(), IoRequest::Op::flush) : written;
        if (flushed != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot write the store device's superblock",
                           block_offset(identity.home()));
        }
    }
    co_return Result<void>{};
}

} // namespace snapstore
