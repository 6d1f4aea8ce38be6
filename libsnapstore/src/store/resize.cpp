// SPDX-License-Identifier: GPL-2.0
// The lengths of the origin and of the store's data area. Both are fields of the superblock and change with a
// checkpoint; there are no records of them in the journal.
//
// Crash cases. The new superblock is not durable: the old length holds; what a shrink has copied out by then
// is as good as any other copy. It is durable: the new length holds, and by then no live snapshot shares
// anything beyond the new end. Replay begins at the checkpoint, so that it never sees the old length.
//
// Invariant: a live snapshot has an exception of each of its chunks that the origin does not have as a whole.
// Only create() could break it while a shrink goes on, and waits for the admin lock. (ResizeTest)
#include <algorithm>

#include "format/block.h"
#include "store/store_impl.h"

namespace snapstore {

// Whether the store is open, and the device as large as it is to be used.
Result<void> Store::Impl::fits(Bytes size, const BlockDevice& device, const char* smaller) const
{
    if (auto ok = check_running(); !ok) {
        return ok;
    }
    if (size > device.size()) {
        return fail(Errc::too_small, smaller, device.size().value);
    }
    return {};
}

Task<Result<void>> Store::Impl::resize_origin(Sectors size)
{
    if (size.value == 0) {
        co_return fail(Errc::invalid, "the origin's length must not be zero");
    }
    if (auto ok = fits(to_bytes(size), *devices.origin, "the origin device is smaller than that"); !ok) {
        co_return ok;
    }
    for (;;) {
        const bool copies = size < sb.origin_size && !has_bug(PlantedBug::shrink_without_copy);
        if (copies) {
            if (auto copied = co_await copy_out_tail(size); !copied) {
                co_return copied;
            }
        }
        while (gate.locked()) {
            co_await gate.turn();
        }
        const Gate::Lock lock(gate);
        if (failed) {
            co_return tl::unexpected(failure());
        }
        if (copies && copy_out.shared_from(size.value / sb.chunk_sectors(), sb.origin_chunks()) > 0) {
            continue; // a snapshot was taken meanwhile
        }
        if (size == sb.origin_size) {
            co_return Result<void>{};
        }
        Superblock next = sb;
        if (size < sb.origin_size) {
            next.largest_origin = sb.greatest_size();
            next.incompat |= kIncompatShrunkOrigin;
        }
        next.origin_size = size;
        if (has_bug(PlantedBug::resize_before_durable)) {
            sb = next;
            co_return Result<void>{};
        }
        co_return co_await checkpoint.change_geometry(next);
    }
}

Task<Result<void>> Store::Impl::copy_out_tail(Sectors size)
{
    const std::uint64_t first = size.value / sb.chunk_sectors();
    const std::uint64_t end = sb.origin_chunks();
    std::uint64_t left = copy_out.shared_from(first, end);
    if (left > chunks.free() && chunks.pending() > 0) {
        if (auto done = co_await checkpoint.run(); !done) {
            co_return done;
        }
    }
    for (std::uint64_t at = first; at < end; at += kMaxRange) {
        const std::uint64_t count = std::min<std::uint64_t>(kMaxRange, end - at);
        const std::uint64_t shared = copy_out.shared_from(at, at + count);
        if (shared == 0) {
            continue;
        }
        // Snapshots are not given up for this: there must be room for all that is left, at each step anew,
        // since others take from it, too.
        if (left > chunks.free()) {
            co_return fail(Errc::no_space,
                           "the snapshot store has no room for what snapshots share of the origin's end",
                           left);
        }
        if (!has_room(0, io.max_run_chunks())) {
            co_return fail(Errc::no_space,
                           "the metadata zone has no room for the exceptions of the "
                           "origin's end",
                           left);
        }
        while (gate.full()) {
            co_await gate.admission();
        }
        const Gate::Admission admitted(gate);
        auto copied =
            co_await copy_out.copy_missing(ChunkRange{Chunk{at}, static_cast<std::uint32_t>(count)});
        if (!copied) {
            co_return copied;
        }
        left -= std::min(left, shared);
    }
    co_return Result<void>{};
}

Task<Result<void>> Store::Impl::resize_store(Bytes size)
{
    if (auto ok = fits(size, *devices.store, "the snapshot store's device is smaller than that"); !ok) {
        co_return ok;
    }
    while (gate.locked()) {
        co_await gate.turn();
    }
    const Gate::Lock lock(gate);
    if (failed) {
        co_return tl::unexpected(failure());
    }
    if (shrink) {
        co_return fail(Errc::busy, "the snapshot store is being shrunk");
    }
    const std::uint64_t start = block_offset(sb.data_start);
    Superblock next = sb;
    next.data_chunks = (size.value - std::min(start, size.value)) / chunk_bytes();
    if (next.data_chunks < sb.data_chunks) {
        co_return fail(Errc::invalid, "that is smaller than it is");
    }
    if (next.data_chunks == sb.data_chunks) {
        co_return Result<void>{};
    }
    if (separate_meta()) { // first: a store device with more chunks than are known is understood by open()
        if (auto done = co_await write_identity(next.data_chunks); !done) {
            co_return done;
        }
    }
    auto done = co_await checkpoint.change_geometry(next);
    if (done) {
        chunks.grow(sb.data_chunks);
        verified.grow(std::max(sb.data_chunks, verified.words().size() * 64)); // a shrink leaves it as it is
        space_queue.wake_all();
        tick_queue.wake_all();
    }
    co_return done;
}

Task<Result<void>> Store::Impl::resize_meta(Bytes size)
{
    if (!separate_meta()) {
        co_return fail(Errc::unsupported,
                       "the metadata are on the snapshot store's device, before its chunks, "
                       "and their room cannot change there");
    }
    if (auto ok = fits(size, *devices.meta, "the metadata device is smaller than that"); !ok) {
        co_return ok;
    }
    while (gate.locked()) {
        co_await gate.turn();
    }
    if (failed) {
        co_return tl::unexpected(failure());
    }
    const std::uint64_t end = size.value / kBlockSize.value;
    const std::uint64_t count = end - std::min(end, sb.meta.first);
    if (count < sb.meta.count) {
        co_return co_await shrink_meta(count);
    }
    if (count > sb.meta.count) {
        co_return co_await grow_meta(count);
    }
    co_return Result<void>{};
}

// The zone is the last that a metadata device has: it goes on to its new end, all of which is free. No block
// of that is given out before the superblock that has it is durable: a crash leaves the old zone or the new
// one (ResizeTest.CrashLeavesTheOldOrTheNewLength).
Task<Result<void>> Store::Impl::grow_meta(std::uint64_t count)
{
    if (zone_shrink) {
        co_return fail(Errc::busy, "the metadata's room is being made smaller");
    }
    const Gate::Lock lock(gate);
    Superblock next = sb;
    next.meta.count = count;
    auto done = co_await checkpoint.change_geometry(next);
    if (done) {
        blocks.grow(sb.meta.count);
        tree->grow_zone(sb.meta.count);
        space_queue.wake_all();
        tick_queue.wake_all();
    }
    co_return done;
}

// The superblocks by which the store device is known to the metadata device's, one after the other.
Task<Result<void>> Store::Impl::write_identity(std::uint64_t data_chunks)
{
    const AlignedBuffer buffer(2 * kBlockSize.value);
    auto found = co_await read_copies(store_device(), buffer);
    if (!found) {
        co_return tl::unexpected(found.error());
    }
    Superblock identity = std::move(*found);
    identity.data_chunks = data_chunks;
    if (const char* what = find_implausible(identity); what != nullptr) {
        co_return fail(Errc::invalid, what);
    }
    for (int copy = 0; copy < 2; ++copy) {
        ++identity.generation;
        pack_superblock(identity, buffer.block(0));
        const IoStatus written = co_await DeviceIo(store_device(), IoRequest::Op::write,
                                                   Bytes{block_offset(identity.home())}, buffer.block(0));
        const IoStatus flushed =
            written == IoStatus::ok ? co_await DeviceIo(store_device(), IoRequest::Op::flush) : written;
        if (flushed != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot write the store device's superblock",
                           block_offset(identity.home()));
        }
    }
    co_return Result<void>{};
}

} // namespace snapstore
