// SPDX-License-Identifier: GPL-2.0
// The data area becomes shorter. What lies beyond the new end is moved below it, then the length changes.
//
//   limit ──► move shared chunks ──► for each snapshot written to: hold its writers, move, checkpoint, let go
//               ▲  └─ again, as long as anything beyond the end is in use ─┘
//             ──► clients forget places ──► checkpoint with the new length ──► store device's superblock ──►
//             cut
//
// A chunk is moved like this: read, compared with its checksum (private ones, in which clients write, have
// none that holds), written to a free place below the end; then its entry in the tree changes, in memory, and
// the old place is freed like one that was swept: it can be used again after the next checkpoint, and beyond
// the end not before the shrink has been given up.
//
// There is no journal record of a move, because none is needed: old and new place hold the same, and the old
// one stays as it is until a checkpoint that names the new one is durable. So a store that shrinks, or has
// shrunk, looks like any other, and every version can open it.
//
// Crash cases.
//   Before a checkpoint: the tree on disk, and the records that replay adds to it, name the old place, which
//   is intact; the new one is free. After it: the other way round. The checkpoint flushes the store's data
//   before it writes the superblock, as it does for no other's sake.
//   A private chunk: as long as the checkpoint that names its new place is not durable, nobody writes in it.
//   Otherwise the old place would come back with the crash, without what was written since.
//   Before the superblock with the new length is durable: the old length holds. After it: nothing names a
//   place beyond the end, neither the tree nor a record, since replay begins at that checkpoint, and no
//   record was on its way. With a metadata device the store device's own superblocks follow; open() takes
//   more chunks there than it knows.
//
// Invariants:
//   No place beyond the new end is given out from the beginning on (AllocatorTest.NothingBeyondTheLimit).
//   No client writes in a private chunk while it is moved, nor before the move is durable
//   (ShrinkServiceTest.WritersAreHeldWhileTheirChunksMove).
//   A place is cut off or used again only when no client believes in it any more
//   (ShrinkServiceTest.ReadersForgetOldPlaces). A shrink never squashes. If origin writes need the room that
//   it has taken away, it is given up (ShrinkTest.GivesWayToWrites).
#include <algorithm>

#include "format/block.h"
#include "format/crc32c.h"
#include "store/store_impl.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kMoveScan = 65536;        // entries looked at without a pause
constexpr std::uint64_t kHeldBytes = 64ULL << 20; // moved while a writer is held
} // namespace

Task<Result<void>> Store::Impl::shrink_store(Bytes size, PlaceUsers& users)
{
    while (gate.locked()) { // a growth may be under way
        co_await gate.turn();
    }
    if (auto ok = check_running(); !ok) {
        co_return ok;
    }
    if (failed) {
        co_return tl::unexpected(failure());
    }
    if (shrink) {
        co_return fail(Errc::busy, "the snapshot store is being shrunk");
    }
    const std::uint64_t start = block_offset(sb.data_start);
    const std::uint64_t end = (size.value - std::min(start, size.value)) / chunk_bytes();
    if (end >= sb.data_chunks) {
        co_return end == sb.data_chunks ? Result<void>{} : fail(Errc::invalid, "that is larger than it is");
    }
    if (end < kMinStoreChunks) {
        co_return fail(Errc::too_small, "a snapshot store has 16 chunks at least", kMinStoreChunks);
    }
    if (chunks.used() > end) {
        co_return fail(Errc::no_space, "more of the snapshot store is in use", chunks.used());
    }
    shrink.emplace();
    shrink->end = end;
    chunks.limit_to(end);
    auto done = co_await empty_tail(users);
    if (!has_bug(PlantedBug::places_not_revoked) && shrink->moved > 0) {
        users.revoke_places(); // also if it failed: the old places are used again
    }
    if (done) {
        done = co_await cut_tail();
    }
    if (chunks.size() > end) {
        chunks.limit_to(chunks.size());
    }
    shrink.reset();
    space_queue.wake_all();
    tick_queue.wake_all();
    co_return done;
}

Task<Result<void>> Store::Impl::empty_tail(PlaceUsers& users)
{
    std::vector<Entry> written; // to a snapshot
    auto ok = may_go_on(shrink);
    for (forget_bad_from(shrink->end); ok && chunks.used_from(shrink->end) > 0;
         forget_bad_from(shrink->end)) {
        const std::uint64_t before = shrink->moved;
        ok = co_await move_shared(written);
        if (ok && !written.empty()) {
            ok = co_await move_private(written, users);
        } else if (ok && shrink->moved == before && chunks.used_from(shrink->end) > 0) {
            // Given out before the limit was set; the record is on its way.
            co_await (commit.idle() ? tick_queue : commit_done).wait();
        }
        if (ok) {
            ok = may_go_on(shrink);
        }
    }
    co_return ok;
}

// Moves all shared chunks. Lists private ones: of one snapshot, and no more than are to be moved while its
// writer is held.
Task<Result<void>> Store::Impl::move_shared(std::vector<Entry>& written)
{
    const std::uint64_t most = std::max<std::uint64_t>(kHeldBytes / chunk_bytes(), 1);
    std::array<Entry, kMoveBatch> batch{};
    written.clear();
    for (Key cursor; cursor < kNoKey;) {
        std::uint64_t scanned = 0;
        std::size_t count = 0;
        const auto collect = [&](const Entry& e, bool) {
            if (scanned++ == kMoveScan || count == batch.size()) {
                cursor = e.key;
                return false;
            }
            if (!e.stored() || e.store_chunk() < shrink->end) {
                return true;
            }
            if (!e.key.is_private()) {
                batch[count++] = e;
            } else if (written.empty() ||
                       (written.front().key.epoch == e.key.epoch && written.size() < most)) {
                written.push_back(e);
            }
            return true;
        };
        if (tree->visit(cursor, kNoKey, 0, collect)) {
            cursor = kNoKey;
        }
        if (count > 0) {
            if (auto moved = co_await move_batch(std::span(batch).first(count)); !moved) {
                co_return moved;
            }
        } else if (cursor < kNoKey) {
            co_await tick_queue.wait(); // let others run
        }
        if (auto ok = may_go_on(shrink); !ok) {
            co_return ok;
        }
    }
    co_return Result<void>{};
}

// Moves chunks that were written to one snapshot, while nobody writes to it.
Task<Result<void>> Store::Impl::move_private(std::span<const Entry> written, PlaceUsers& users)
{
    const Snapshot* snapshot = table.find(Epoch{written.front().key.epoch});
    const bool holds = snapshot != nullptr && !has_bug(PlantedBug::move_under_writer); // else it is garbage
    const SnapshotId id = snapshot != nullptr ? snapshot->info.id : SnapshotId{};
    if (holds) {
        if (auto held = co_await users.hold_writers(id); !held) {
            auto ok = may_go_on(shrink); // which may be why
            co_return ok ? held : ok;
        }
    }
    auto moved = may_go_on(shrink);
    for (std::size_t i = 0; i < written.size() && moved; i += kMoveBatch) {
        moved = co_await move_batch(written.subspan(i, std::min(kMoveBatch, written.size() - i)));
    }
    // Also if not all could be moved: what was moved must be durable before it is written to.
    if (!has_bug(PlantedBug::moved_before_durable)) {
        if (auto durable = co_await checkpoint.run(); moved && !durable) {
            moved = durable;
        }
    }
    if (holds) {
        users.release_writers(id);
    }
    co_return moved;
}

// At most kMoveBatch of them.
Task<Result<void>> Store::Impl::move_batch(std::span<const Entry> batch)
{
    const BufferPool::Lease lease = co_await io.lease_buffer(batch.size());
    for (std::size_t first = 0; first < batch.size();) {
        const std::size_t count = std::min<std::size_t>(batch.size() - first, lease.chunks());
        const auto entries = batch.subspan(first, count);
        if (auto room = co_await make_move_room(count); !room) {
            co_return room;
        }
        if (auto read = co_await read_moving(entries, lease); !read) {
            co_return read;
        }
        if (auto moved = co_await write_moving(entries, lease); !moved) {
            co_return moved;
        }
        first += count;
    }
    co_return Result<void>{};
}

bool Store::Impl::unchanged(const Entry& entry) const noexcept
{
    const auto now = tree->find(entry.key);
    return now && *now == entry;
}

// Reads the chunks' present places; shared ones must be as they were when they were copied (I7).
Task<Result<void>> Store::Impl::read_moving(std::span<const Entry> entries, const BufferPool::Lease& lease)
{
    IoGroup<kMoveBatch> reads;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        reads.add(store_device(), IoRequest::Op::read, store_offset(entries[i].store_chunk()),
                  lease.span(i, 1));
    }
    (void)co_await reads;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& e = entries[i];
        if (!unchanged(e)) {
            continue; // swept meanwhile
        }
        if (reads.status(i) != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot read the snapshot store",
                           store_offset(e.store_chunk()).value);
        }
        if (!e.key.is_private() && crc32c(lease.span(i, 1)) != e.crc) {
            co_return fail(Errc::corrupt, "a copied chunk does not match its checksum",
                           store_offset(e.store_chunk()).value);
        }
    }
    co_return Result<void>{};
}

// Writes the chunks to new places, and has the tree name these.
Task<Result<void>> Store::Impl::write_moving(std::span<const Entry> entries, const BufferPool::Lease& lease)
{
    std::array<std::uint64_t, kMoveBatch> places{};
    IoGroup<kMoveBatch> writes;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Allocator::Run run = chunks.allocate(1);
        if (run.count == 0) {
            break;
        }
        ++uncommitted;
        places[i] = run.first;
        writes.add(store_device(), IoRequest::Op::write, store_offset(run.first), lease.span(i, 1));
        ++counters.store_writes;
        counters.store_bytes += chunk_bytes();
    }
    const auto moving = entries.first(writes.size());
    if (has_bug(PlantedBug::moved_before_written)) {
        name_places(moving, places);
    }
    const IoStatus written = co_await writes;
    if (written != IoStatus::ok &&
        !failed) { // those that could be written, too, stay where they are: we come back
        for (std::size_t i = 0; i < writes.size(); ++i) {
            if (writes.status(i) != IoStatus::ok) {
                note_bad(places[i]);
            }
        }
        for (std::size_t i = 0; i < writes.size(); ++i) {
            give_back(places[i], 1);
        }
        co_return failed ? tl::unexpected(failure()) : Result<void>{};
    }
    auto ok = written == IoStatus::ok ? co_await make_tree_room(moving.size()) : Result<void>{};
    if (failed) {
        co_return tl::unexpected(failure());
    }
    if (!has_bug(PlantedBug::moved_before_written)) {
        name_places(moving, places);
    }
    co_return ok; // if others were faster, some stay where they are: we come back
}

void Store::Impl::name_places(std::span<const Entry> entries, std::span<const std::uint64_t> places)
{
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& e = entries[i];
        --uncommitted;
        if (!unchanged(e)) { // swept meanwhile
            chunks.free_now(places[i]);
            continue;
        }
        const bool there = tree->relocate(e.key, places[i]);
        SNAPSTORE_ASSERT(there);
        if (has_bug(PlantedBug::old_place_reused_early)) {
            chunks.free_now(e.store_chunk());
        } else {
            chunks.free_later(e.store_chunk());
        }
        if (!e.key.is_private()) {
            verified.set(places[i]); // just compared
        }
        ++shrink->moved;
        ++counters.moved_chunks;
    }
}

// Free places below the end. What was freed there is one after a checkpoint.
Task<Result<void>> Store::Impl::make_move_room(std::uint64_t places)
{
    if (chunks.free() < places && chunks.pending() > 0) {
        if (auto done = co_await checkpoint.run(); !done) {
            co_return done;
        }
    }
    if (chunks.free() == 0) {
        stop_shrinking(shrink, kStoreFilledUp);
    }
    co_return may_go_on(shrink);
}

// Nodes and blocks for so many changes of the tree, besides what the commit under way may need.
Task<Result<void>> Store::Impl::make_tree_room(std::uint64_t changes)
{
    for (;;) {
        if (failed) {
            co_return tl::unexpected(failure());
        }
        const std::uint64_t wanted = tree->erase_bound(changes) + reserved_changes;
        if (nodes.free() < wanted) {
            want_nodes(wanted);
            co_await tick_queue.wait(); // refill() wakes it
        } else if (blocks.free() < wanted + reserved_blocks()) {
            if (auto done = co_await checkpoint.run(); !done) {
                co_return done;
            }
        } else {
            co_return Result<void>{};
        }
    }
}

// Nothing beyond the end is in use, nor will be: the limit stands.
Task<Result<void>> Store::Impl::cut_tail()
{
    while (gate.locked()) {
        co_await gate.turn();
    }
    const Gate::Lock lock(gate);
    if (auto ok = may_go_on(shrink); !ok) {
        co_return ok;
    }
    shrink->final = true;
    Superblock next = sb;
    next.data_chunks = shrink->end;
    if (auto done = co_await checkpoint.change_geometry(next); !done) {
        co_return done;
    }
    chunks.cut_at_limit();
    if (separate_meta()) { // afterwards: see above
        co_return co_await write_identity(next.data_chunks);
    }
    co_return Result<void>{};
}

} // namespace snapstore
