// SPDX-License-Identifier: GPL-2.0
#include "store/shrink.h"

#include <algorithm>
#include <array>

#include "format/crc32c.h"
#include "memory/assertion.h"
#include "store/io_group.h"
#include "store/planted_bugs.h"
#include "store/superblock_io.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kMoveScan = 65536;        // entries looked at without a pause
constexpr std::uint64_t kHeldBytes = 64ULL << 20; // moved while a writer is held
} // namespace

Task<Result<void>> StoreShrink::run(Bytes size, PlaceUsers& users)
{
    while (gate_.locked()) { // a growth may be under way
        co_await gate_.turn();
    }
    if (auto ok = ctx_.check_running(); !ok) {
        co_return ok;
    }
    if (ctx_.failed) {
        co_return tl::unexpected(ctx_.failure());
    }
    if (room_.shrink) {
        co_return fail(Errc::busy, "the snapshot store is being shrunk");
    }
    const Bytes start = block_offset(ctx_.sb.data.start);
    const std::uint64_t end = (size - std::min(start, size)).value / ctx_.chunk_bytes();
    if (end >= ctx_.sb.data.chunks) {
        co_return end == ctx_.sb.data.chunks
            ? Result<void>{}
            : fail(Errc::invalid, "the new size is larger than the present one");
    }
    if (end < kMinStoreChunks) {
        co_return fail(Errc::too_small, "a snapshot store needs at least 16 chunks", kMinStoreChunks);
    }
    if (places_.units().used() > end) {
        co_return fail(Errc::no_space, "a larger part of the snapshot store is in use",
                       places_.units().used());
    }
    room_.shrink.emplace();
    room_.shrink->end = end;
    places_.units().limit_to(end);
    auto done = co_await empty_tail(users);
    if (!has_bug(PlantedBug::places_not_revoked) && room_.shrink->moved > 0) {
        users.revoke_places(); // also if it failed: the old places are used again
    }
    if (done) {
        done = co_await cut_tail();
    }
    if (places_.units().size() > end) {
        places_.units().limit_to(places_.units().size());
    }
    room_.shrink.reset();
    ctx_.queues.space.wake_all();
    ctx_.queues.tick.wake_all();
    co_return done;
}

Task<Result<void>> StoreShrink::empty_tail(PlaceUsers& users)
{
    std::vector<Entry> written; // to a snapshot
    auto ok = room_.may_go_on(room_.shrink);
    for (places_.forget_bad_from(StoreChunk{room_.shrink->end});
         ok && places_.units().used_from(room_.shrink->end) > 0;
         places_.forget_bad_from(StoreChunk{room_.shrink->end})) {
        const std::uint64_t before = room_.shrink->moved;
        ok = co_await move_shared(written);
        if (ok && !written.empty()) {
            ok = co_await move_private(written, users);
        } else if (ok && room_.shrink->moved == before && places_.units().used_from(room_.shrink->end) > 0) {
            // Given out before the limit was set; the record is on its way.
            co_await (commit_.idle() ? ctx_.queues.tick : ctx_.queues.commit).wait();
        }
        if (ok) {
            ok = room_.may_go_on(room_.shrink);
        }
    }
    co_return ok;
}

// Moves all shared chunks. Lists private ones: of one snapshot, and no more than are to be moved while its
// writer is held.
Task<Result<void>> StoreShrink::move_shared(std::vector<Entry>& written)
{
    const std::uint64_t most = std::max<std::uint64_t>(kHeldBytes / ctx_.chunk_bytes(), 1);
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
            if (!e.stored() || e.store_chunk().value < room_.shrink->end) {
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
        if (state_.tree->visit(cursor, kNoKey, 0, collect)) {
            cursor = kNoKey;
        }
        if (count > 0) {
            if (auto moved = co_await move_batch(std::span(batch).first(count)); !moved) {
                co_return moved;
            }
        } else if (cursor < kNoKey) {
            co_await ctx_.queues.tick.wait(); // let others run
        }
        if (auto ok = room_.may_go_on(room_.shrink); !ok) {
            co_return ok;
        }
    }
    co_return Result<void>{};
}

// Moves chunks that were written to one snapshot, while nobody writes to it.
Task<Result<void>> StoreShrink::move_private(std::span<const Entry> written, PlaceUsers& users)
{
    const Snapshot* snapshot = state_.table.find(Epoch{written.front().key.epoch});
    const bool holds = snapshot != nullptr && !has_bug(PlantedBug::move_under_writer); // else it is garbage
    const SnapshotId id = snapshot != nullptr ? snapshot->info.id : SnapshotId{};
    if (holds) {
        if (auto held = co_await users.hold_writers(id); !held) {
            auto ok = room_.may_go_on(room_.shrink); // which may be why
            co_return ok ? held : ok;
        }
    }
    auto moved = room_.may_go_on(room_.shrink);
    for (std::size_t i = 0; i < written.size() && moved; i += kMoveBatch) {
        moved = co_await move_batch(written.subspan(i, std::min(kMoveBatch, written.size() - i)));
    }
    // Also if not all could be moved: what was moved must be durable before it is written to.
    if (!has_bug(PlantedBug::moved_before_durable)) {
        if (auto durable = co_await checkpoint_.run(); moved && !durable) {
            moved = durable;
        }
    }
    if (holds) {
        users.release_writers(id);
    }
    co_return moved;
}

// At most kMoveBatch of them.
Task<Result<void>> StoreShrink::move_batch(std::span<const Entry> batch)
{
    const BufferPool::Lease lease = co_await io_.lease_buffer(batch.size());
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

bool StoreShrink::unchanged(const Entry& entry) const noexcept
{
    const auto now = state_.tree->find(entry.key);
    return now && *now == entry;
}

// Reads the chunks' present places; shared ones must be as they were when they were copied (I7).
Task<Result<void>> StoreShrink::read_moving(std::span<const Entry> entries, const BufferPool::Lease& lease)
{
    IoGroup<kMoveBatch> reads;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        reads.add(ctx_.store_device(), IoRequest::Op::read, ctx_.store_offset(entries[i].store_chunk()),
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
                           ctx_.store_offset(e.store_chunk()).value);
        }
        if (!e.key.is_private() && crc32c(lease.span(i, 1)) != e.crc) {
            co_return fail(Errc::corrupt, "a copied chunk does not match its checksum",
                           ctx_.store_offset(e.store_chunk()).value);
        }
    }
    co_return Result<void>{};
}

// Writes the chunks to new places, and has the tree name these.
Task<Result<void>> StoreShrink::write_moving(std::span<const Entry> entries, const BufferPool::Lease& lease)
{
    std::array<StoreChunk, kMoveBatch> places{};
    IoGroup<kMoveBatch> writes;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Places::Run run = places_.allocate(1);
        if (run.count == 0) {
            break;
        }
        places[i] = run.first;
        writes.add(ctx_.store_device(), IoRequest::Op::write, ctx_.store_offset(run.first), lease.span(i, 1));
        ++ctx_.counters.store_writes;
        ctx_.counters.store_bytes += ctx_.chunk_bytes();
    }
    const auto moving = entries.first(writes.size());
    if (has_bug(PlantedBug::moved_before_written)) {
        name_places(moving, places);
    }
    const IoStatus written = co_await writes;
    if (written != IoStatus::ok && !ctx_.failed) {
        // Those that could be written, too, stay where they are: we come back.
        for (std::size_t i = 0; i < writes.size(); ++i) {
            if (writes.status(i) != IoStatus::ok) {
                places_.note_bad(places[i]);
            }
        }
        for (std::size_t i = 0; i < writes.size(); ++i) {
            places_.give_back({places[i], 1});
        }
        co_return ctx_.failed ? tl::unexpected(ctx_.failure()) : Result<void>{};
    }
    auto ok = written == IoStatus::ok ? co_await checkpoint_.make_tree_room(moving.size()) : Result<void>{};
    if (ctx_.failed) {
        co_return tl::unexpected(ctx_.failure());
    }
    if (!has_bug(PlantedBug::moved_before_written)) {
        name_places(moving, places);
    }
    co_return ok; // if others were faster, some stay where they are: we come back
}

void StoreShrink::name_places(std::span<const Entry> entries, std::span<const StoreChunk> places)
{
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& e = entries[i];
        places_.committed();
        if (!unchanged(e)) { // swept meanwhile
            places_.free_now(places[i]);
            continue;
        }
        const bool there = state_.tree->relocate(e.key, places[i]);
        SNAPSTORE_ASSERT(there);
        if (has_bug(PlantedBug::old_place_reused_early)) {
            places_.free_now(e.store_chunk());
        } else {
            places_.free_later(e.store_chunk());
        }
        if (!e.key.is_private()) {
            places_.set_verified(places[i]); // just compared
        }
        ++room_.shrink->moved;
        ++ctx_.counters.moved_chunks;
    }
}

// Free places below the end. What was freed there is one after a checkpoint.
Task<Result<void>> StoreShrink::make_move_room(std::uint64_t places)
{
    if (places_.free() < places && places_.pending() > 0) {
        if (auto done = co_await checkpoint_.run(); !done) {
            co_return done;
        }
    }
    if (places_.free() == 0) {
        room_.stop_shrinking(room_.shrink, kStoreFilledUp);
    }
    co_return room_.may_go_on(room_.shrink);
}

// Nothing beyond the end is in use, nor will be: the limit stands.
Task<Result<void>> StoreShrink::cut_tail()
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    if (auto ok = room_.may_go_on(room_.shrink); !ok) {
        co_return ok;
    }
    room_.shrink->final = true;
    Superblock next = ctx_.sb;
    next.data.chunks = room_.shrink->end;
    if (auto done = co_await checkpoint_.change_geometry(next); !done) {
        co_return done;
    }
    places_.units().cut_at_limit();
    if (ctx_.separate_meta()) { // afterwards: see above
        co_return co_await write_identity(ctx_, next.data.chunks);
    }
    co_return Result<void>{};
}

} // namespace snapstore
