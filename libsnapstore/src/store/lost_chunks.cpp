// SPDX-License-Identifier: GPL-2.0
// A chunk that is to be copied and cannot be read from the origin. Its write goes through all the same (it
// may well be what makes the sectors readable again), and the snapshots that share the chunk lose it: the
// exception has no content, and they get an error there. It is one chunk rather than the run that was to be
// copied.
//
// Invariant: a chunk is lost only if the origin could not be read there, twice, but elsewhere in between: a
// device that is gone for a while takes nothing from the snapshots, but fails the write. (LostChunkTest)
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "store/copy_out.h"

namespace snapstore {

// Reads as much of `part` as can be read at once, and says in `part` how much that is. `unreadable`: it is
// one chunk, and lost.
Task<Result<void>> CopyOut::read_run(ChunkRange& part, const BufferPool::Lease& lease, bool& unreadable)
{
    for (;;) {
        auto read = co_await io_.read_origin(part, lease.span(0, part.count));
        if (read || read.error().code != Errc::io_error || ctx_.config.snapshot_first) {
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
        const auto again = co_await io_.read_origin(part, lease.span(0, 1));
        unreadable = !again;
        co_return Result<void>{};
    }
}

// Can the origin be read anywhere but in this chunk?
Task<bool> CopyOut::origin_answers(Chunk except, std::span<std::byte> scratch)
{
    const std::uint64_t last = (to_bytes(ctx_.sb.origin.size).value - 1) / kBlockSize.value;
    for (const OriginBlock block : {OriginBlock{0}, OriginBlock{last / 2}, OriginBlock{last}}) {
        if (block.value / ctx_.sb.chunk.blocks() == except.value) {
            continue;
        }
        ++ctx_.counters.origin_reads;
        const IoStatus status = co_await DeviceIo(*ctx_.devices.origin, IoRequest::Op::read,
                                                  block_offset(block), scratch.first(kBlockSize.value));
        if (status == IoStatus::ok) {
            co_return true;
        }
    }
    co_return false;
}

// Queues the record of the claimed chunk. Allocates nothing.
void CopyOut::lose_chunk(Chunk chunk, Epoch newest)
{
    const record_disk record = make_record(Entry{Key::shared(chunk, newest), 0, kLostLocation});
    commit_.push(record);
    const Snapshot* snapshot = state_.table.find(newest);
    std::array<char, 256> text{};
    const int length =
        std::snprintf(text.data(), text.size(),
                      "the origin cannot be read at byte %" PRIu64 ": snapshot %" PRIu64
                      " and older ones that share it have lost chunk %" PRIu64 " (%" PRIu64
                      " bytes); reads there fail, the write goes through",
                      chunk.value * ctx_.chunk_bytes(), snapshot != nullptr ? snapshot->info.id.value : 0,
                      chunk.value, ctx_.chunk_bytes());
    ctx_.observer.log(Severity::error, {text.data(), static_cast<std::size_t>(std::max(length, 0))});
    commit_.copied();
}

} // namespace snapstore
