// SPDX-License-Identifier: GPL-2.0
// Origin writes: copying out what a live snapshot shares.
//
// A request looks for chunks that need a copy and that nobody is copying, claims a run of neighbours, reads
// the origin once, writes the store once per piece that is contiguous there, and queues the records. It is
// done when every chunk of its range is covered by the tree, that is, by records that are durable, its own
// or those of others.
//
// Invariant: success is returned only if each chunk of the range has a durable shared exception of the newest
// live snapshot that has this chunk, or a later one; or if no live snapshot has it, which may be because all
// were given up (loss.cpp). (StoreModelTest)
#include "format/block.h"
#include "format/crc32c.h"
#include "store/store_impl.h"

namespace snapstore {

// The epoch that the chunk's copy is for (0: none is needed), and up to where it is the same one.
Store::Impl::Cover Store::Impl::cover(Chunk chunk) const noexcept
{
    const auto [newest, end] = table.cover(Sectors{chunk.value * sb.chunk_sectors()});
    return {newest, Chunk{sb.chunks_of(end)}};
}

// Marks the chunks of the range that need no copy; true if that is all of them.
bool Store::Impl::covered(ChunkRange range, std::bitset<kMaxRange>& map) const noexcept
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
            tree->visit(Key::shared(at, Epoch{}), Key::shared(end, Epoch{}), newest, mark);
        }
        at = end;
    }
    return found == range.count;
}

bool Store::Impl::writable(ChunkRange range) const noexcept
{
    if (table.none_live()) {
        return true;
    }
    if (range.count == 1) {
        const Epoch newest = cover(range.first).newest;
        const Key key = Key::shared(range.first, newest);
        const auto e = tree->lower_bound(key);
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

Task<Result<void>> Store::Impl::origin_write(ChunkRange range)
{
    if (auto ok = check_range(range, sb.origin_size); !ok) {
        co_return ok;
    }
    if (writable(range)) {
        co_return Result<void>{};
    }
    while (gate.full()) {
        co_await gate.admission();
    }
    const Gate::Admission admitted(gate);
    auto copied = co_await copy_missing(range);
    if (!copied && failed && !closing) { // a store that fails takes the snapshots with it, not the origin
        copied = co_await loss.give_up();
    }
    co_return copied;
}

Task<Result<void>> Store::Impl::copy_missing(ChunkRange range)
{
    for (;;) {
        if (table.none_live()) {
            co_return Result<void>{};
        }
        const Run run = next_run(range);
        if (run.range.count == 0 && !run.busy) {
            co_return Result<void>{};
        }
        if (failed) {
            co_return tl::unexpected(failure());
        }
        if (run.range.count == 0) {
            if (has_bug(PlantedBug::ack_before_commit)) {
                co_return Result<void>{};
            }
            co_await commit_done.wait();
            continue;
        }
        const auto copied = co_await copy_run(run.range);
        if (!copied) {
            co_return copied;
        }
    }
}

// The first run of chunks that need a copy, for the same epoch, and that nobody is copying.
Store::Impl::Run Store::Impl::next_run(ChunkRange range) const noexcept
{
    std::bitset<kMaxRange> map;
    Run run;
    if (covered(range, map)) {
        return run;
    }
    const auto limit =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(max_run_chunks(), in_flight.room()));
    Chunk end = range.end();
    for (std::uint32_t i = 0; i < range.count; ++i) {
        const Chunk chunk{range.first.value + i};
        const bool needed = !map.test(i);
        const bool copying = needed && in_flight.contains(Key::shared(chunk, Epoch{}).key);
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

std::uint64_t Store::Impl::max_run_chunks() const noexcept
{
    return std::clamp<std::uint64_t>(config.max_run.value / chunk_bytes(), 1, kMaxRange);
}

Task<Result<void>> Store::Impl::copy_run(ChunkRange range)
{
    while (range.count > 1 && !has_room(0, range.count)) {
        range.count /= 2; // the zone is nearly full: the bound for fewer records is smaller
    }
    if (!has_room(0, range.count)) {
        co_return co_await wait_for_space(0, range.count, 0); // then the caller looks again
    }
    const Epoch newest = cover(range.first).newest;
    if (newest.value == 0) {
        co_return Result<void>{}; // nobody needs it any more
    }
    claim(Key::shared(range.first, Epoch{}).key, range.count);
    const auto result = co_await copy_claimed(range, newest);
    // What is left of the range has no record.
    unclaim(Key::shared(range.first, Epoch{}).key, range.count);
    commit.kick(); // which may have waited for this copy
    co_return result;
}

// Copies the range; on return it holds what was not copied.
Task<Result<void>> Store::Impl::copy_claimed(ChunkRange& range, Epoch newest)
{
    BufferPool::Lease lease = co_await lease_buffer(range.count);
    const auto leased = static_cast<std::uint32_t>(lease.chunks());
    ChunkRange part{range.first, std::min(range.count, leased)};
    bool unreadable = false;
    commit.begin_copy();
    auto read = co_await read_run(part, lease, unreadable);
    commit.end_copy();
    if (!read) {
        co_return read;
    }
    if (unreadable) {
        if (failed) {
            co_return tl::unexpected(failure());
        }
        lose_chunk(part.first, newest);
        range.first += Chunk{1};
        --range.count;
        co_return Result<void>{};
    }
    for (std::uint32_t done = 0; done < part.count;) {
        if (failed) {
            co_return tl::unexpected(failure());
        }
        if (table.none_live()) {
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
            auto room = co_await wait_for_space(1, 0, range.count);
            if (!room) {
                co_return room;
            }
        }
    }
    co_return Result<void>{};
}

Task<BufferPool::Lease> Store::Impl::lease_buffer(std::uint64_t want)
{
    BufferPool::Lease lease = buffers.try_acquire(want);
    while (!lease) {
        co_await buffers.waiters().wait();
        lease = buffers.try_acquire(want);
    }
    co_return std::move(lease);
}

// What lies beyond the end of the origin is zeros.
Task<Result<void>> Store::Impl::read_origin(ChunkRange range, std::span<std::byte> to)
{
    const std::uint64_t begin = range.first.value * chunk_bytes();
    const std::uint64_t end = to_bytes(sb.origin_size).value;
    if (begin >= end) {
        co_return fail(Errc::corrupt, "a chunk beyond the end of the origin has no copy", begin);
    }
    const std::uint64_t wanted = std::min<std::uint64_t>(to.size(), end - begin);
    const std::uint64_t length = (wanted + kBlockSize.value - 1) / kBlockSize.value * kBlockSize.value;
    ++counters.origin_reads;
    const IoStatus status =
        co_await DeviceIo(*devices.origin, IoRequest::Op::read, Bytes{begin}, to.first(length));
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot read the origin", begin);
    }
    std::memset(to.data() + wanted, 0, to.size() - wanted);
    co_return Result<void>{};
}

// Divides chunks from `next` on into pieces: runs of zero chunks, and runs that get neighbouring places in
// the store. Ends early when the store is full. Returns the number of pieces.
std::size_t Store::Impl::plan_pieces(const BufferPool::Lease& lease, std::uint32_t count, std::uint32_t& next,
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
        piece = Piece{next, end - next, 0, zero};
        if (!zero) {
            const Allocator::Run run = chunks.allocate(piece.count);
            if (run.count == 0) {
                break;
            }
            piece.count = static_cast<std::uint32_t>(run.count);
            piece.store_chunk = run.first;
            uncommitted += run.count;
        }
        next += piece.count;
        ++used;
    }
    return used;
}

// Of pieces, some of which could not be written: chunk by chunk, until one cannot be. False: one is bad.
Task<bool> Store::Impl::write_singly(const BufferPool::Lease& lease, std::span<const Piece> pieces)
{
    for (const Piece& piece : pieces) {
        for (std::uint32_t i = 0; i < piece.count && !piece.zero; ++i) {
            const IoStatus status =
                co_await DeviceIo(store_device(), IoRequest::Op::write, store_offset(piece.store_chunk + i),
                                  lease.span(piece.index + i, 1));
            if (status != IoStatus::ok) {
                note_bad(piece.store_chunk + i);
                co_return false;
            }
        }
    }
    co_return true;
}

// False: one of the pieces cannot be written where it was to go, or the store has failed.
Task<bool> Store::Impl::write_planned(const BufferPool::Lease& lease, std::span<const Piece> pieces)
{
    IoGroup<kPieces> writes;
    for (const Piece& piece : pieces) {
        if (!piece.zero) {
            const auto data = lease.span(piece.index, piece.count);
            writes.add(store_device(), IoRequest::Op::write, store_offset(piece.store_chunk), data);
            ++counters.store_writes;
            counters.store_bytes += data.size();
        }
    }
    commit.begin_copy();
    const IoStatus status = co_await writes;
    const bool written = status == IoStatus::ok || (!failed && co_await write_singly(lease, pieces));
    commit.end_copy();
    co_return written && !failed;
}

// Writes some of the run's chunks, from `done` on, and queues their records; how many, 0 if the store is
// full.
Task<Result<std::uint32_t>> Store::Impl::write_pieces(const BufferPool::Lease& lease, ChunkRange range,
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
            fail_store("cannot write to the snapshot store", store_offset(pieces[0].store_chunk).value);
        }
        if (failed) {
            co_return tl::unexpected(failure());
        }
        for (const Piece& piece : planned) {
            give_back(piece.store_chunk, piece.zero ? 0 : piece.count);
        }
    }
}

void Store::Impl::queue_copies(const BufferPool::Lease& lease, ChunkRange range, Epoch newest,
                               std::span<const Piece> pieces)
{
    for (const Piece& piece : pieces) {
        for (std::uint32_t i = 0; i < piece.count; ++i) {
            const Chunk chunk{range.first.value + piece.index + i};
            Entry entry{Key::shared(chunk, newest), 0, kZeroLocation};
            if (!piece.zero) {
                entry.crc = crc32c(lease.span(piece.index + i, 1));
                entry.location = piece.store_chunk + i;
                verified.set(entry.location);
            }
            const record_disk record = make_record(entry);
            commit.push(record);
        }
        counters.copied_chunks += piece.count;
        counters.zero_chunks += piece.zero ? piece.count : 0;
    }
    commit.copied();
}

} // namespace snapstore
