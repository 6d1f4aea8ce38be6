// SPDX-License-Identifier: GPL-2.0
// Opening and closing a store.
#include "format/block.h"
#include "store/store_impl.h"

namespace snapstore {

// Reads both copies of the superblock into `buffer`, and chooses.
Task<Result<Superblock>> Store::Impl::read_copies(BlockDevice& device, const AlignedBuffer& buffer)
{
    if (device.size().value < block_offset(kFirstFreeBlock)) {
        co_return fail(Errc::not_a_store, "too small for a snapshot store");
    }
    IoGroup<2> reads;
    for (std::size_t i = 0; i < 2; ++i) {
        reads.add(device, IoRequest::Op::read, Bytes{block_offset(kSuperblockBlock[i])}, buffer.block(i));
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

Task<Result<void>> Store::Impl::read_superblocks()
{
    const AlignedBuffer buffer(2 * kBlockSize.value);
    auto main = co_await read_copies(meta_device(), buffer);
    if (!main) {
        co_return tl::unexpected(main.error());
    }
    const DeviceRole expected = separate_meta() ? DeviceRole::meta : DeviceRole::whole;
    if (main->role == DeviceRole::meta && !separate_meta()) {
        co_return fail(Errc::mismatch, "this is a metadata device; the snapshot store is another one");
    }
    if (main->role != expected) {
        co_return fail(Errc::mismatch, "the devices' roles do not fit: with or without a metadata device?");
    }
    if (separate_meta()) {
        auto identity = co_await read_copies(store_device(), buffer);
        if (!identity) {
            co_return tl::unexpected(identity.error());
        }
        // More chunks than the main one knows: a growth that a crash has broken off (resize.cpp).
        if (identity->uuid != main->uuid || identity->role != DeviceRole::data ||
            identity->data_start != main->data_start || identity->data_chunks < main->data_chunks) {
            co_return fail(Errc::mismatch, "snapshot store and metadata device are of two volumes");
        }
    }
    sb = std::move(*main);
    origin.record = sb.origin;
    co_return Result<void>{};
}

Result<void> Store::Impl::check_devices() const
{
    const std::uint64_t data_end = block_offset(sb.data_start) + sb.data_chunks * sb.chunk_bytes();
    const BlockDevice& meta = separate_meta() ? *devices.meta : *devices.store;
    if (devices.store->size().value < data_end || meta.size().value < block_offset(sb.meta.end())) {
        return fail(Errc::mismatch, "a device is smaller than the store on it", data_end);
    }
    if (devices.origin->size() < to_bytes(sb.origin_size)) {
        return fail(Errc::mismatch, "the origin is smaller than the volume", to_bytes(sb.origin_size).value);
    }
    return {};
}

// Everything whose size depends on the store.
void Store::Impl::make_pools()
{
    reset(sb.data_chunks);
    blocks = Allocator(sb.meta.count);
    tree.emplace(nodes, blocks, sb.meta);
    commit.reset(kQueueSlots);
    in_flight = InFlight(kMaxInFlight);
    io.reset();
    const std::uint64_t wanted = std::min(config.node_cache.value / kBlockSize.value, sb.meta.count + 64);
    nodes.grow(std::max<std::uint64_t>(wanted, 64));
    frame_pool.reserve(config.max_operations, 1024);
    frame_pool.reserve(64, 8192);
}

// More snapshots than the table may have, some of them being deleted: earlier versions gave a deleted one's
// slot away before a table without it was on disk. What their sweep had done is done again, before the table
// is written.
Result<void> Store::Impl::sweep_for_table()
{
    while (table.all().size() > sb.max_snapshots) {
        const Sweep::Step state = sweep.step();
        if (state == Sweep::Step::needs_checkpoint && nodes.free() < nodes_wanted()) {
            nodes.grow(nodes_wanted());
        } else if (state != Sweep::Step::progress) {
            return fail(Errc::corrupt, "journal: too many snapshots", sb.max_snapshots);
        }
    }
    return {};
}

Task<Result<OpenReport>> Store::Impl::open()
{
    if (open_called) {
        co_return fail(Errc::invalid, "open() a second time");
    }
    open_called = true;
    auto ok = co_await read_superblocks();
    if (ok) {
        ok = check_devices();
    }
    if (ok) {
        ok = may_go_on_opening();
    }
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    make_pools();
    OpenReport report;
    report.clean = sb.clean;
    ok = co_await load(nullptr);
    if (ok) {
        ok = co_await replay(report);
    }
    if (ok) {
        ok = co_await loss.find(report);
    }
    if (ok) {
        ok = co_await origin_check.check(report);
    }
    if (ok) {
        ok = may_go_on_opening(); // for the last time: from here on it writes
    }
    if (!ok) {
        damaged = ok.error().code == Errc::corrupt;
        co_return tl::unexpected(ok.error());
    }
    journal.incarnation = sb.incarnation + 1;
    journal.next = journal.applied;
    opened = true;
    ok = sweep_for_table();
    if (ok) {
        ok = co_await checkpoint.run();
    }
    if (ok) {
        ok = co_await loss.forget();
    }
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    for (const auto& s : table.all()) {
        report.deleting += s->info.state == SnapshotState::deleting ? 1U : 0U;
    }
    co_return report;
}

Task<Result<void>> Store::Impl::close()
{
    if (!opened) {
        co_return fail(Errc::invalid, "close() of a store that is not open");
    }
    closing = true;
    tick_queue.wake_all();
    space_queue.wake_all();
    while (commit.running() && !failed) {
        co_await commit_done.wait();
    }
    while (loss.recording()) {
        co_await loss.settled();
    }
    while (
        sampler.sampling()) { // nothing may be in flight when it is closed, nor a checkpoint follow the last
        co_await sampler.sampled();
    }
    if (failed) {
        co_return tl::unexpected(failure());
    }
    checkpoint.mark_clean();
    co_return co_await checkpoint.run();
}

} // namespace snapstore
