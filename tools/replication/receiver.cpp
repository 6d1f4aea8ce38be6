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

// The receiving end at work: records go in as they come, and are settled, the oldest first, when written.
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
        while (workers_.full() || workers_.ready()) {
            settle();
        }
        if (flusher_.ready()) {
            flusher_.take();
        }
        workers_.put(std::move(arrived));
    }

    void settle_all()
    {
        while (!workers_.empty()) {
            settle();
        }
        while (!flusher_.empty()) { // a flush that failed says so only once
            flusher_.take();
        }
        writer_.flush();
    }

    // What came so far is good: a resumed stream need not send it again.
    void keep()
    {
        settle_all();
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
    void settle() // the oldest record
    {
        const Record record = workers_.take();
        progress_.chunks += record.count;
        progress_.next_chunk = record.first + record.count;
        unremembered_ += plain_bytes(header_, record.first, record.count);
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
        reception.or_keep([&] { hooks.moved(reception.progress()); });
    }
    reception.settle_all();
    hooks.moved(reception.progress());
    return reception.progress();
}

} // namespace zumastor::stream
