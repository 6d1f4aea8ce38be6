// SPDX-License-Identifier: GPL-2.0
#include "store/copy_out.h"

#include <algorithm>
#include <array>

#include "format/crc32c.h"
#include "store/io_group.h"
#include "store/planted_bugs.h"

namespace snapstore {

// The epoch that the chunk's copy is for (0: none is needed), and up to where it is the same one.
CopyOut::Cover CopyOut::cover(Chunk chunk) const noexcept
{
    const auto [newest, end] = state_.table.cover(Sectors{chunk.value * ctx_.sb.chunk.sectors()});
    return {newest, Chunk{ctx_.sb.chunks_of(end)}};
}

// Marks the chunks of the range that need no copy; true if that is all of them.
bool CopyOut::covered(ChunkRange range, std::bitset<kMaxRange>& map) const noexcept
{
    std::uint32_t found = 0;
    for (Chunk at = range.first; at < range.end();) {
        const Cover needed = cover(at);
        const Chunk end = std::min(needed.end, range.end());
        const std::uint32_t newest = needed.newest.value;
        for (Chunk c = at; newest == 0 && c < end; ++c) {
            map.set(c.value - range.first.value);
            ++found;
        }
        const auto mark = [&](const Entry& e, bool) {
            const std::uint64_t i = e.key.chunk().value - range.first.value;
            if (!e.key.is_private() && e.key.epoch >= newest && !map.test(i)) {
                map.set(i);
                ++found;
            }
            return true;
        };
        if (newest != 0) {
            state_.tree->visit(Key::shared(at, Epoch{}), Key::shared(end, Epoch{}), newest, mark);
        }
        at = end;
    }
    return found == range.count;
}

bool CopyOut::writable(ChunkRange range) const noexcept
{
    if (state_.table.none_live()) {
        return true;
    }
    if (range.count == 1) {
        const Epoch newest = cover(range.first).newest;
        const Key key = Key::shared(range.first, newest);
        const auto e = state_.tree->lower_bound(key);
        return newest.value == 0 || (e && e->key.key == key.key);
    }
    for (std::uint32_t done = 0; done < range.count; done += kMaxRange) {
        std::bitset<kMaxRange> map;
        const ChunkRange part{Chunk{range.first.value + done}, std::min(kMaxRange, range.count - done)};
        if (!covered(part, map)) {
            return false;
        }
    }
    return true;
}

Task<Result<void>> CopyOut::origin_write(ChunkRange range)
{
    if (auto ok = ctx_.check_range(range, ctx_.sb.origin.size); !ok) {
        co_return ok;
    }
    if (writable(range)) {
        co_return Result<void>{};
    }
    while (gate_.full()) {
        co_await gate_.admission();
    }
    const Gate::Admission admitted(gate_);
    auto copied = co_await copy_missing(range);
    if (!copied && ctx_.failed &&
        !ctx_.closing) { // a store that fails takes the snapshots with it, not the origin
        copied = co_await loss_.give_up();
    }
    co_return copied;
}

Task<Result<void>> CopyOut::copy_missing(ChunkRange range)
{
    for (;;) {
        if (state_.table.none_live()) {
            co_return Result<void>{};
        }
        const Run run = next_run(range);
        if (run.range.count == 0 && !run.busy) {
            co_return Result<void>{};
        }
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        if (run.range.count == 0) {
            if (has_bug(PlantedBug::ack_before_commit)) {
                co_return Result<void>{};
            }
            co_await ctx_.queues.commit.wait();
            continue;
        }
        const auto copied = co_await copy_run(run.range);
        if (!copied) {
            co_return copied;
        }
    }
}

// The first run of chunks that need a copy, for the same epoch, and that nobody is copying.
CopyOut::Run CopyOut::next_run(ChunkRange range) const noexcept
{
    std::bitset<kMaxRange> map;
    Run run;
    if (covered(range, map)) {
        return run;
    }
    const auto limit =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(io_.max_run_chunks(), state_.in_flight.room()));
    Chunk end = range.end();
    for (std::uint32_t i = 0; i < range.count; ++i) {
        const Chunk chunk{range.first.value + i};
        const bool needed = !map.test(i);
        const bool copying = needed && state_.in_flight.contains(Key::shared(chunk, Epoch{}).key);
        run.busy = run.busy || copying || (needed && limit == 0);
        if (needed && !copying && run.range.count < limit && chunk < end) {
            if (run.range.count++ == 0) {
                run.range.first = chunk;
                end = cover(chunk).end;
            }
        } else if (run.range.count > 0) {
            break;
        }
    }
    return run;
}

Task<Result<void>> CopyOut::copy_run(ChunkRange range)
{
    while (range.count > 1 && !room_.has_room(0, range.count)) {
        range.count /= 2; // the zone is nearly full: the bound for fewer records is smaller
    }
    if (!room_.has_room(0, range.count)) {
        co_return co_await space_.wait_for_space(0, range.count, 0); // then the caller looks again
    }
    const Epoch newest = cover(range.first).newest;
    if (newest.value == 0) {
        co_return Result<void>{}; // nobody needs it any more
    }
    state_.claim(Key::shared(range.first, Epoch{}).key, range.count);
    const auto result = co_await copy_claimed(range, newest);
    // What is left of the range has no record.
    state_.unclaim(Key::shared(range.first, Epoch{}).key, range.count);
    commit_.kick(); // which may have waited for this copy
    co_return result;
}

// Copies the range; on return it holds what was not copied.
Task<Result<void>> CopyOut::copy_claimed(ChunkRange& range, Epoch newest)
{
    BufferPool::Lease lease = co_await io_.lease_buffer(range.count);
    const auto leased = static_cast<std::uint32_t>(lease.chunks());
    ChunkRange part{range.first, std::min(range.count, leased)};
    bool unreadable = false;
    commit_.begin_copy();
    auto read = co_await read_run(part, lease, unreadable);
    commit_.end_copy();
    if (!read) {
        co_return read;
    }
    if (unreadable) {
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        lose_chunk(part.first, newest);
        range.first += Chunk{1};
        --range.count;
        co_return Result<void>{};
    }
    for (std::uint32_t done = 0; done < part.count;) {
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        if (state_.table.none_live()) {
            co_return Result<void>{};
        }
        const auto written = co_await write_pieces(lease, part, newest, done);
        if (!written) {
            co_return tl::unexpected(written.error());
        }
        done += *written;
        range.first += Chunk{*written};
        range.count -= *written;
        if (*written == 0) {
            auto room = co_await space_.wait_for_space(1, 0, range.count);
            if (!room) {
                co_return room;
            }
        }
    }
    co_return Result<void>{};
}

// Divides chunks from `next` on into pieces: runs of zero chunks, and runs that get neighbouring places in
// the store. Ends early when the store is full. Returns the number of pieces.
std::size_t CopyOut::plan_pieces(const BufferPool::Lease& lease, std::uint32_t count, std::uint32_t& next,
                                 std::span<Piece> pieces)
{
    std::size_t used = 0;
    while (next < count && used < pieces.size()) {
        const bool zero = is_all_zero(lease.span(next, 1));
        std::uint32_t end = next + 1;
        while (end < count && is_all_zero(lease.span(end, 1)) == zero) {
            ++end;
        }
        Piece& piece = pieces[used];
        piece = Piece{next, end - next, StoreChunk{}, zero};
        if (!zero) {
            const Places::Run run = places_.allocate(piece.count);
            if (run.count == 0) {
                break;
            }
            piece.count = static_cast<std::uint32_t>(run.count);
            piece.place = run.first;
        }
        next += piece.count;
        ++used;
    }
    return used;
}

// Of pieces, some of which could not be written: chunk by chunk, until one cannot be. False: one is bad.
Task<bool> CopyOut::write_singly(const BufferPool::Lease& lease, std::span<const Piece> pieces)
{
    for (const Piece& piece : pieces) {
        for (std::uint32_t i = 0; i < piece.count && !piece.zero; ++i) {
            const IoStatus status = co_await DeviceIo(ctx_.store_device(), IoRequest::Op::write,
                                                      ctx_.store_offset(piece.place + StoreChunk{i}),
                                                      lease.span(piece.index + i, 1));
            if (status != IoStatus::ok) {
                places_.note_bad(piece.place + StoreChunk{i});
                co_return false;
            }
        }
    }
    co_return true;
}

// False: one of the pieces cannot be written where it was to go, or the store has failed.
Task<bool> CopyOut::write_planned(const BufferPool::Lease& lease, std::span<const Piece> pieces)
{
    IoGroup<kPieces> writes;
    for (const Piece& piece : pieces) {
        if (!piece.zero) {
            const auto data = lease.span(piece.index, piece.count);
            writes.add(ctx_.store_device(), IoRequest::Op::write, ctx_.store_offset(piece.place), data);
            ++ctx_.counters.store_writes;
            ctx_.counters.store_bytes += data.size();
        }
    }
    commit_.begin_copy();
    const IoStatus status = co_await writes;
    const bool written = status == IoStatus::ok || (!ctx_.failed && co_await write_singly(lease, pieces));
    commit_.end_copy();
    co_return written && !ctx_.failed;
}

// Writes some of the run's chunks, from `done` on, and queues their records; how many, 0 if the store is
// full.
Task<Result<std::uint32_t>> CopyOut::write_pieces(const BufferPool::Lease& lease, ChunkRange range,
                                                  Epoch newest, std::uint32_t done)
{
    std::array<Piece, kPieces> pieces{};
    for (unsigned tried = 1;; ++tried) {
        std::uint32_t next = done;
        const auto planned = std::span(pieces).first(plan_pieces(lease, range.count, next, pieces));
        const bool written = co_await write_planned(lease, planned);
        if (written) {
            queue_copies(lease, range, newest, planned);
            co_return next - done;
        }
        if (tried == Places::kTried) {
            ctx_.fail_store("cannot write to the snapshot store", ctx_.store_offset(pieces[0].place));
        }
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        for (const Piece& piece : planned) {
            places_.give_back({piece.place, piece.zero ? 0 : piece.count});
        }
    }
}

void CopyOut::queue_copies(const BufferPool::Lease& lease, ChunkRange range, Epoch newest,
                           std::span<const Piece> pieces)
{
    for (const Piece& piece : pieces) {
        for (std::uint32_t i = 0; i < piece.count; ++i) {
            const Chunk chunk{range.first.value + piece.index + i};
            Entry entry{Key::shared(chunk, newest), 0, kZeroLocation};
            if (!piece.zero) {
                entry.crc = crc32c(lease.span(piece.index + i, 1));
                const StoreChunk place = piece.place + StoreChunk{i};
                entry.location = place.value;
                places_.set_verified(place);
            }
            const record_disk record = make_record(entry);
            commit_.push(record);
        }
        ctx_.counters.copied_chunks += piece.count;
        ctx_.counters.zero_chunks += piece.zero ? piece.count : 0;
    }
    commit_.copied();
}

std::uint64_t CopyOut::shared_from(std::uint64_t first, std::uint64_t end) const noexcept
{
    std::uint64_t shared = 0;
    for (std::uint64_t at = first; at < end && !state_.table.none_live(); at += kMaxRange) {
        std::bitset<kMaxRange> map;
        const ChunkRange range{Chunk{at},
                               static_cast<std::uint32_t>(std::min<std::uint64_t>(kMaxRange, end - at))};
        if (!covered(range, map)) {
            shared += range.count - map.count();
        }
    }
    return shared;
}

} // namespace snapstore
