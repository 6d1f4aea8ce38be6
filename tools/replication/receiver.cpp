// SPDX-License-Identifier: GPL-2.0
#include "tools/replication/receiver.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "tools/replication/aligned_memory.h"
#include "tools/replication/ordered_workers.h"
#include "tools/replication/patch.h"

namespace zumastor::stream {
namespace {

constexpr std::size_t kReceiveWindow = 32; // records being verified and written

struct Arrived {
    Piece piece;
    std::uint64_t offset = 0; // in the stream
};
using Clock = std::chrono::steady_clock;
using Appliers = OrderedWorkers<Arrived, Record>;

// Flushes while more is being written: a chunk number below which all is written goes in, and comes out when
// that has been flushed.
using Flusher = OrderedWorkers<std::uint64_t, std::uint64_t>;

Flusher::Work make_flusher(VolumeWriter& writer)
{
    return [&writer](const std::uint64_t& written) {
        writer.flush();
        return written;
    };
}

Appliers::Work make_applier(const Header& header, VolumeWriter& writer)
{
    auto buffer = std::make_shared<AlignedMemory>(kMaxDataBytes);
    auto decoder = std::make_shared<Decoder>();
    return [&header, &writer, buffer, decoder](Arrived& arrived) {
        const Record& record = arrived.piece.record;
        const std::uint64_t offset = record.first << header.chunk_shift;
        const std::uint64_t length = plain_bytes(header, record.first, record.count);
        if (record.type == RecordType::zero) {
            writer.zero(offset, length);
            return record;
        }
        const auto plain = decoder->decode(header, arrived.piece, buffer->bytes());
        if (!plain) {
            throw BadStream(Error{arrived.offset, plain.error()});
        }
        if (record.type == RecordType::data) {
            writer.write(offset, *plain);
            return record;
        }
        const auto patched = read_patch(header, record, *plain);
        if (!patched) {
            throw BadStream(Error{arrived.offset, patched.error()});
        }
        for (const PatchedRun& run : *patched) {
            writer.write(run.offset, run.content);
        }
        return record;
    };
}

} // namespace

BadStream::BadStream(const Error& error)
    : TransferError(fmt::format("byte {} of the stream: {}", error.offset, error.what))
{}

ReceiveProgress receive(StreamReader& reader, VolumeWriter& writer, const ReceiveOptions& options,
                        const ReceiveHooks& hooks)
{
    const Header& header = reader.header();
    Flusher flusher(1, 1, [&] { return make_flusher(writer); });
    Appliers workers(options.threads, kReceiveWindow, [&] { return make_applier(header, writer); });
    ReceiveProgress progress;
    progress.next_chunk = header.first_chunk;
    std::uint64_t unremembered = 0; // bytes of the volume
    auto flushed = Clock::now();
    const auto settle = [&] { // the oldest record
        const Record record = workers.take();
        progress.chunks += record.count;
        progress.next_chunk = record.first + record.count;
        unremembered += plain_bytes(header, record.first, record.count);
        const auto now = Clock::now();
        if (unremembered >= options.interval || now - flushed >= options.interval_time) {
            if (flusher.full()) {
                hooks.reached(flusher.take());
            }
            flusher.put(progress.next_chunk);
            unremembered = 0;
            flushed = now;
        }
    };
    const auto settle_all = [&] {
        while (!workers.empty()) {
            settle();
        }
        while (!flusher.empty()) { // a flush that failed says so only once
            hooks.reached(flusher.take());
        }
        writer.flush();
    };
    for (;;) {
        auto piece = reader.next();
        if (!piece) {
            settle_all(); // what came before is good: a resumed stream need not send it again
            hooks.reached(progress.next_chunk);
            throw BadStream(piece.error());
        }
        progress.bytes = reader.bytes();
        if (!*piece) {
            break;
        }
        while (workers.full() || workers.ready()) {
            settle();
        }
        if (flusher.ready()) {
            hooks.reached(flusher.take());
        }
        workers.put({std::move(**piece), reader.record_offset()});
        hooks.moved(progress);
    }
    settle_all();
    hooks.moved(progress);
    return progress;
}

} // namespace zumastor::stream
