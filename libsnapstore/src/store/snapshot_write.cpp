// SPDX-License-Identifier: GPL-2.0
#include "store/snapshot_write.h"

#include <cstring>

#include "format/crc32c.h"

namespace snapstore {

Task<Result<std::size_t>> SnapshotWrite::write(SnapshotId id, ChunkRange range, std::span<Extent> out)
{
    if (const auto snapshot = state_.readable(id); !snapshot) {
        co_return tl::unexpected(snapshot.error());
    } else if (auto ok = ctx_.check_range(range, (*snapshot)->info.size); !ok) {
        co_return tl::unexpected(ok.error());
    }
    while (gate_.full()) {
        co_await gate_.admission();
    }
    const Gate::Admission admitted(gate_);
    for (std::uint32_t i = 0; i < range.count; ++i) {
        const auto done = co_await make_private(id, Chunk{range.first.value + i});
        if (!done) {
            co_return tl::unexpected(done.error());
        }
    }
    // Queued records of the range are applied; what make_private() did not wait for, wait for now.
    for (;;) {
        const auto snapshot = state_.readable(id);
        if (!snapshot) {
            co_return tl::unexpected(snapshot.error());
        }
        bool missing = false;
        for (std::uint32_t i = 0; i < range.count && !missing; ++i) {
            missing = !state_.tree->find(Key::priv(Chunk{range.first.value + i}, (*snapshot)->info.epoch));
        }
        if (!missing) {
            std::uint32_t covered_chunks = 0;
            bool unverified = false;
            co_return reads_.build_extents(**snapshot, range, out, covered_chunks, unverified);
        }
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        co_await ctx_.queues.commit.wait();
    }
}

// Returns when the chunk is private, or when its record is queued: by us.
Task<Result<void>> SnapshotWrite::make_private(SnapshotId id, Chunk chunk)
{
    for (;;) {
        const auto snapshot = state_.readable(id);
        if (!snapshot) {
            co_return tl::unexpected(snapshot.error());
        }
        const Key key = Key::priv(chunk, (*snapshot)->info.epoch);
        if (state_.tree->find(key)) {
            co_return Result<void>{};
        }
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        if (state_.in_flight.contains(key.key) || state_.in_flight.room() == 0) {
            co_await ctx_.queues.commit.wait();
            continue;
        }
        if (!room_.has_room(1, 1)) {
            const auto room = co_await space_.wait_for_space(1, 1, 0);
            if (!room) {
                co_return room;
            }
            continue;
        }
        state_.claim(key.key, 1);
        bool queued = false;
        const auto done = co_await copy_private(**snapshot, chunk, queued);
        if (!queued) {
            state_.unclaim(key.key, 1);
        }
        if (!done || queued) {
            co_return done;
        }
    }
}

Task<Result<void>> SnapshotWrite::copy_private(Snapshot& snapshot, Chunk chunk, bool& queued)
{
    const SnapshotId id = snapshot.info.id;
    const Epoch of{snapshot.info.epoch};
    const BufferPool::Lease lease = co_await io_.lease_buffer(1);
    auto again = state_.readable(id);
    if (!again || (*again)->info.epoch != of) {
        co_return Result<void>{}; // the caller looks again
    }
    auto done = co_await read_chunk(**again, chunk, lease.span(0, 1));
    again = state_.readable(id);
    if (!done || !again || (*again)->info.epoch != of) {
        co_return done;
    }
    Places::Run run;
    for (unsigned tried = 1;; ++tried) {
        run = places_.allocate(1);
        if (run.count == 0) {
            co_return Result<void>{}; // taken by others meanwhile
        }
        ++ctx_.counters.store_writes;
        ctx_.counters.store_bytes += ctx_.chunk_bytes();
        const IoStatus status = co_await DeviceIo(ctx_.store_device(), IoRequest::Op::write,
                                                  ctx_.store_offset(run.first), lease.span(0, 1));
        if (status == IoStatus::ok) {
            break;
        }
        if (tried == Places::kTried) {
            ctx_.fail_store("cannot write to the snapshot store", ctx_.store_offset(run.first));
        }
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        places_.note_bad(run.first);
    }
    if (ctx_.failed) {
        co_return tl::unexpected(ctx_.failure());
    }
    const record_disk record =
        make_record(Entry{Key::priv(chunk, of), crc32c(lease.span(0, 1)), run.first.value});
    queued = true;
    commit_.enqueue({&record, 1});
    co_return Result<void>{};
}

// The present content of a snapshot's chunk that is not private. A chunk on the origin is locked by the
// caller.
Task<Result<void>> SnapshotWrite::read_chunk(const Snapshot& snapshot, Chunk chunk, std::span<std::byte> to)
{
    const auto entry = state_.lookup(snapshot, chunk);
    if (!entry) {
        co_return co_await io_.read_origin(ChunkRange{chunk, 1}, to);
    }
    if (entry->lost()) {
        co_return fail(Errc::io_error, kChunkLost, chunk.value * ctx_.chunk_bytes());
    }
    if (entry->zero()) {
        std::memset(to.data(), 0, to.size());
        co_return Result<void>{};
    }
    const Bytes offset = ctx_.store_offset(entry->store_chunk());
    const IoStatus status = co_await DeviceIo(ctx_.store_device(), IoRequest::Op::read, offset, to);
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot read the snapshot store", offset.value);
    }
    if (crc32c(to) != entry->crc) {
        co_return fail(Errc::corrupt, "a copied chunk does not match its checksum", offset.value);
    }
    co_return Result<void>{};
}

} // namespace snapstore
