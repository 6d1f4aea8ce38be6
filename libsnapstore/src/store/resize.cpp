// SPDX-License-Identifier: GPL-2.0
#include "store/resize.h"

#include <algorithm>

#include "store/planted_bugs.h"
#include "store/superblock_io.h"

namespace snapstore {

// Whether the store is open, and the device as large as it is to be used.
Result<void> Resize::fits(Bytes size, const BlockDevice& device, const char* smaller) const
{
    if (auto ok = ctx_.check_running(); !ok) {
        return ok;
    }
    if (size > device.size()) {
        return fail(Errc::too_small, smaller, device.size().value);
    }
    return {};
}

Task<Result<void>> Resize::resize_origin(Sectors size)
{
    if (size.value == 0) {
        co_return fail(Errc::invalid, "the origin's length must not be zero");
    }
    if (auto ok =
            fits(to_bytes(size), *ctx_.devices.origin, "the origin device is smaller than the new length");
        !ok) {
        co_return ok;
    }
    for (;;) {
        const bool copies = size < ctx_.sb.origin.size && !has_bug(PlantedBug::shrink_without_copy);
        if (copies) {
            if (auto copied = co_await copy_out_tail(size); !copied) {
                co_return copied;
            }
        }
        while (gate_.locked()) {
            co_await gate_.turn();
        }
        const Gate::Lock lock(gate_);
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        if (copies &&
            copy_out_.shared_from(size.value / ctx_.sb.chunk.sectors(), ctx_.sb.origin_chunks()) > 0) {
            continue; // a snapshot was taken meanwhile
        }
        if (size == ctx_.sb.origin.size) {
            co_return Result<void>{};
        }
        Superblock next = ctx_.sb;
        if (size < ctx_.sb.origin.size) {
            next.origin.largest = ctx_.sb.origin.greatest();
            next.features.incompat |= kIncompatShrunkOrigin;
        }
        next.origin.size = size;
        if (has_bug(PlantedBug::resize_before_durable)) {
            ctx_.sb = next;
            co_return Result<void>{};
        }
        co_return co_await checkpoint_.change_geometry(next);
    }
}

Task<Result<void>> Resize::copy_out_tail(Sectors size)
{
    const std::uint64_t first = size.value / ctx_.sb.chunk.sectors();
    const std::uint64_t end = ctx_.sb.origin_chunks();
    std::uint64_t left = copy_out_.shared_from(first, end);
    if (left > places_.free() && places_.pending() > 0) {
        if (auto done = co_await checkpoint_.run(); !done) {
            co_return done;
        }
    }
    for (std::uint64_t at = first; at < end; at += kMaxRange) {
        const std::uint64_t count = std::min<std::uint64_t>(kMaxRange, end - at);
        const std::uint64_t shared = copy_out_.shared_from(at, at + count);
        if (shared == 0) {
            continue;
        }
        // Snapshots are not given up for this: there must be room for all that is left, at each step anew,
        // since others take from it, too.
        if (left > places_.free()) {
            co_return fail(Errc::no_space,
                           "the snapshot store has no room for what snapshots share of the origin's end",
                           left);
        }
        if (!room_.has_room(0, io_.max_run_chunks())) {
            co_return fail(Errc::no_space,
                           "the metadata zone has no room for the exceptions of the "
                           "origin's end",
                           left);
        }
        while (gate_.full()) {
            co_await gate_.admission();
        }
        const Gate::Admission admitted(gate_);
        auto copied =
            co_await copy_out_.copy_missing(ChunkRange{Chunk{at}, static_cast<std::uint32_t>(count)});
        if (!copied) {
            co_return copied;
        }
        left -= std::min(left, shared);
    }
    co_return Result<void>{};
}

Task<Result<void>> Resize::resize_store(Bytes size)
{
    if (auto ok = fits(size, *ctx_.devices.store, "the snapshot store's device is smaller than the new size");
        !ok) {
        co_return ok;
    }
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    if (ctx_.failed) {
        co_return tl::unexpected(ctx_.failure());
    }
    if (room_.shrink) {
        co_return fail(Errc::busy, "the snapshot store is being shrunk");
    }
    const Bytes start = block_offset(ctx_.sb.data.start);
    Superblock next = ctx_.sb;
    next.data.chunks = (size - std::min(start, size)).value / ctx_.chunk_bytes();
    if (next.data.chunks < ctx_.sb.data.chunks) {
        co_return fail(Errc::invalid, "the new size is smaller than the present one");
    }
    if (next.data.chunks == ctx_.sb.data.chunks) {
        co_return Result<void>{};
    }
    if (ctx_.separate_meta()) {
        // First: a store device with more chunks than are known is understood by open().
        if (auto done = co_await write_identity(ctx_, next.data.chunks); !done) {
            co_return done;
        }
    }
    auto done = co_await checkpoint_.change_geometry(next);
    if (done) {
        places_.grow(ctx_.sb.data.chunks);
        ctx_.queues.space.wake_all();
        ctx_.queues.tick.wake_all();
    }
    co_return done;
}

Task<Result<void>> Resize::resize_meta(Bytes size)
{
    if (!ctx_.separate_meta()) {
        co_return fail(Errc::unsupported,
                       "the metadata is on the snapshot store's device, where its size cannot change");
    }
    if (auto ok = fits(size, *ctx_.devices.meta, "the metadata device is smaller than the new size"); !ok) {
        co_return ok;
    }
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    if (ctx_.failed) {
        co_return tl::unexpected(ctx_.failure());
    }
    const Block end{size.value / kBlockSize.value};
    const std::uint64_t count = end - std::min(end, ctx_.sb.zone.first);
    if (count < ctx_.sb.zone.count) {
        co_return co_await zone_shrink_.run(count);
    }
    if (count > ctx_.sb.zone.count) {
        co_return co_await grow_meta(count);
    }
    co_return Result<void>{};
}

// The zone is the last that a metadata device has: it goes on to its new end, all of which is free. No block
// of that is given out before the superblock that has it is durable: a crash leaves the old zone or the new
// one (ResizeTest.CrashLeavesTheOldOrTheNewLength).
Task<Result<void>> Resize::grow_meta(std::uint64_t count)
{
    if (room_.zone_shrink) {
        co_return fail(Errc::busy, "the metadata area is being made smaller");
    }
    const Gate::Lock lock(gate_);
    Superblock next = ctx_.sb;
    next.zone.count = count;
    auto done = co_await checkpoint_.change_geometry(next);
    if (done) {
        state_.zone.units().grow(ctx_.sb.zone.count);
        state_.tree->nodes().grow_zone(ctx_.sb.zone.count);
        ctx_.queues.space.wake_all();
        ctx_.queues.tick.wake_all();
    }
    co_return done;
}

} // namespace snapstore
