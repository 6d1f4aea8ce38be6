// SPDX-License-Identifier: GPL-2.0
// A chunk that is to be copied and cannot be read from the origin. Its write goes through all the same (it
// may well be what makes the sectors readable again), and the snapshots that share the chunk lose it: the
// exception has no content, and they get an error there. It is one chunk rather than the run that was to be
// copied.
//
// Invariant: a chunk is lost only if the origin could not be read there, twice, but elsewhere in between: a
// device that is gone for a while takes nothing from the snapshots, but fails the write. (LostChunkTest)
#include <cinttypes>
#include <cstdio>

#include "store/store_impl.h"

namespace snapstore {

// Reads as much of `part` as can be read at once, and says in `part` how much that is. `unreadable`: it is
// one chunk, and lost.
Task<Result<void>> Store::Impl::read_run(ChunkRange& part, const BufferPool::Lease& lease, bool& unreadable)
{
    for (;;) {
        auto read = co_await read_origin(part, lease.span(0, part.count));
        if (read || read.error().code != Errc::io_error || config.snapshot_first) {
            co_return read;
        }
        if (part.count > 1) {
            part.count /= 2; // the caller comes back for what is left
            continue;
        }
        const bool answers = co_await origin_answers(part.first, lease.span(0, 1));
        if (!answers) {
            co_return read;
        }
        const auto again = co_await read_origin(part, lease.span(0, 1));
        unreadable = !again;
        co_return Result<void>{};
    }
}

// Can the origin be read anywhere but in this chunk?
Task<bool> Store::Impl::origin_answers(Chunk except, std::span<std::byte> scratch)
{
    const std::uint64_t last = (to_bytes(sb.origin_size).value - 1) / kBlockSize.value;
    for (const std::uint64_t block : {std::uint64_t{0}, last / 2, last}) {
        if (block / sb.chunk_blocks() == except.value) {
            continue;
        }
        ++counters.origin_reads;
        const IoStatus status =
            co_await DeviceIo(*devices.origin, IoRequest::Op::read, Bytes{block_offset(block)},
                              scratch.first(kBlockSize.value));
        if (status == IoStatus::ok) {
            co_return true;
        }
    }
    co_return false;
}

// Queues the record of the claimed chunk. Allocates nothing.
void Store::Impl::lose_chunk(Chunk chunk, Epoch newest)
{
    const record_disk record = make_record(Entry{Key::shared(chunk, newest), 0, kLostLocation});
    commit.push(record);
    const Snapshot* snapshot = table.find(newest);
    std::array<char, 256> text{};
    const int length =
        std::snprintf(text.data(), text.size(),
                      "the origin cannot be read at byte %" PRIu64 ": snapshot %" PRIu64
                      " and older ones that share it have lost chunk %" PRIu64 " (%" PRIu64
                      " bytes); reads there fail, the write goes through",
                      chunk.value * chunk_bytes(), snapshot != nullptr ? snapshot->info.id.value : 0,
                      chunk.value, chunk_bytes());
    observer.log(2, {text.data(), static_cast<std::size_t>(std::max(length, 0))});
    commit.copied();
}

std::vector<LostChunk> Store::Impl::list_lost() const
{
    std::vector<LostChunk> list;
    for (const Key& key : lost_places.known()) {
        const auto before = tree->predecessor(key);
        const std::uint32_t previous = before && before->key.key == key.key ? before->key.epoch : 0;
        LostChunk& entry = list.emplace_back();
        entry.chunk = key.chunk();
        for (const auto& s : table.all()) {
            const std::uint32_t at = s->info.epoch.value;
            const bool shares = at > previous && at <= key.epoch &&
                                !(s->has_private && tree->find(Key::priv(key.chunk(), s->info.epoch)));
            if (s->info.state == SnapshotState::normal && shares) {
                entry.snapshots.push_back(s->info.id);
            }
        }
    }
    return list;
}

} // namespace snapstore
