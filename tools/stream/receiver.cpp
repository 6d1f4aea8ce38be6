// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/receiver.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tools/stream/aligned_memory.h"
#include "tools/stream/ordered_workers.h"
#include "tools/stream/patch.h"

namespace zumastor::stream {
namespace {

constexpr std::size_t kReceiveWindow = 32; // batches being verified and written

struct Arrived {
    Piece piece;
    std::uint64_t offset = 0; // in the stream
};
// Records that came together and are written together: at most kMaxDataBytes of content.
using Arrivals = std::vector<Arrived>;
// What of a batch is counted when it has been written.
struct Written {
    std::uint64_t chunks = 0;
    std::uint64_t next_chunk = 0;
    std::uint64_t bytes = 0; // of the volume
};
using Clock = std::chrono::steady_clock;
using Appliers = OrderedWorkers<Arrivals, Written>;

// Flushes while more is being written: a chunk number below which all is written goes in, and is remembered
// as soon as that has been flushed, however long the next record takes to come.
using Flusher = OrderedWorkers<std::uint64_t, std::uint64_t>;

Flusher::Work make_flusher(VolumeWriter& writer, const ReceiveHooks& hooks)
{
    return [&writer, &hooks](const std::uint64_t& written) {
        writer.flush();
        hooks.reached(written);
        return written;
    };
}

// A record's content, in `room` or where it came, as writes.
void expand(const Header& header, const Arrived& arrived, Decoder& decoder, std::span<std::byte> room,
            std::vector<VolumePart>& writes)
{
    const Record& record = arrived.piece.record;
    const auto plain = decoder.decode(header, arrived.piece, room);
    if (!plain) {
        throw BadStream(Error{arrived.offset, plain.error()});
    }
    if (record.type == RecordType::data) {
        writes.push_back({record.first << header.chunk_shift, *plain});
        return;
    }
    const auto patched = read_patch(header, record, *plain);
    if (!patched) {
        throw BadStream(Error{arrived.offset, patched.error()});
    }
    for (const PatchedRun& run : *patched) {
        writes.push_back({run.offset, run.content});
    }
}

Appliers::Work make_applier(const Header& header, VolumeWriter& writer)
{
    auto buffer = std::make_shared<AlignedMemory>(kMaxDataBytes);
    auto decoder = std::make_shared<Decoder>();
    return [&header, &writer, buffer, decoder](Arrivals& batch) {
        Written done;
        std::vector<VolumePart> writes;
        std::size_t used = 0; // of the buffer
        for (const Arrived& arrived : batch) {
            const Record& record = arrived.piece.record;
            const std::uint64_t bytes = plain_bytes(header, record.first, record.count);
            if (record.type == RecordType::zero) {
                writer.zero(record.first << header.chunk_shift, bytes);
            } else {
                expand(header, arrived, *decoder, buffer->bytes().subspan(used), writes);
                used += bytes; // a multiple of 4096, but for the volume's last chunk
            }
            done.chunks += record.count;
            done.next_chunk = record.first + record.count;
            done.bytes += bytes;
        }
        if (!writes.empty()) {
            writer.write_all(writes);
        }
        return done;
    };
}

// The receiving end at work: records go in as they come, and are finished, the oldest first, when written.
// Those that have come already are written together; none waits for one that has not.
class Reception {
public:
    Reception(const Header& header, VolumeWriter& writer, const ReceiveOptions& options,
              const ReceiveHooks& hooks)
        : header_(header), writer_(writer), options_(options), hooks_(hooks),
          flusher_(1, 1, [&] { return make_flusher(writer, hooks); }),
          workers_(options.threads, kReceiveWindow, [&] { return make_applier(header, writer); })
    {
        progress_.next_chunk = header.first_chunk;
    }

    void put(Arrived arrived)
    {
        const Record& record = arrived.piece.record;
        if (hooks_.came) {
            hooks_.came(record.first, record.count);
        }
        const std::uint64_t bytes =
            record.type == RecordType::zero ? 0 : plain_bytes(header_, record.first, record.count);
        if (batch_bytes_ + bytes > kMaxDataBytes || batch_.size() == kMostRecords) {
            hand_over();
        }
        batch_bytes_ += bytes;
        batch_.push_back(std::move(arrived));
    }

    // What has been put is written now.
    void hand_over()
    {
        if (batch_.empty()) {
            return;
        }
        while (workers_.full() || workers_.ready()) {
            finish_oldest();
        }
        if (flusher_.ready()) {
            flusher_.take();
        }
        workers_.put(std::exchange(batch_, {}));
        batch_bytes_ = 0;
    }

    void finish_all()
    {
        hand_over();
        while (!workers_.empty()) {
            finish_oldest();
        }
        while (!flusher_.empty()) { // a flush that failed says so only once
            flusher_.take();
        }
        writer_.flush();
    }

    // What came so far is good: a resumed stream need not send it again.
    void keep()
    {
        finish_all();
        hooks_.reached(progress_.next_chunk);
    }

    // A step that may be interrupted.
    template <class Step>
    auto or_keep(const Step& step)
    {
        try {
            return step();
        } catch (...) {
            keep();
            throw;
        }
    }

    void has_read(std::uint64_t bytes) noexcept { progress_.bytes = bytes; }
    const ReceiveProgress& progress() const noexcept { return progress_; }

private:
    static constexpr std::size_t kMostRecords = 256; // in a batch; those of zeros have no content

    void finish_oldest()
    {
        const Written written = workers_.take();
        progress_.chunks += written.chunks;
        progress_.next_chunk = written.next_chunk;
        unremembered_ += written.bytes;
        const auto now = Clock::now();
        if (unremembered_ >= options_.interval || now - flushed_ >= options_.interval_time) {
            if (flusher_.full()) {
                flusher_.take();
            }
            flusher_.put(progress_.next_chunk);
            unremembered_ = 0;
            flushed_ = now;
        }
    }

    const Header& header_;
    VolumeWriter& writer_;
    const ReceiveOptions& options_;
    const ReceiveHooks& hooks_;
    Flusher flusher_;
    Appliers workers_;
    Arrivals batch_; // that came, and nobody works on yet
    std::uint64_t batch_bytes_ = 0;
    ReceiveProgress progress_;
    std::uint64_t unremembered_ = 0; // bytes of the volume
    Clock::time_point flushed_ = Clock::now();
};

} // namespace

BadStream::BadStream(const Error& error)
    : TransferError(fmt::format("byte {} of the stream: {}", error.offset, error.what))
{}

ReceiveProgress receive(StreamReader& reader, VolumeWriter& writer, const ReceiveOptions& options,
                        const ReceiveHooks& hooks)
{
    Reception reception(reader.header(), writer, options, hooks);
    for (;;) {
        auto piece = reception.or_keep([&] { return reader.next(); });
        if (!piece) {
            reception.keep();
            throw BadStream(piece.error());
        }
        reception.has_read(reader.bytes());
        if (!*piece) {
            break;
        }
        reception.put({std::move(**piece), reader.record_offset()});
        if (!reader.ready()) {
            reception.hand_over();
        }
        reception.or_keep([&] { hooks.moved(reception.progress()); });
    }
    reception.finish_all();
    hooks.moved(reception.progress());
    return reception.progress();
}

} // namespace zumastor::stream
