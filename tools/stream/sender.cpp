// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/sender.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tools/stream/buffer_pool.h"
#include "tools/stream/ordered_workers.h"

namespace zumastor::stream {
namespace {

constexpr std::size_t kSendWindow = 8; // batches being read, compressed or waiting for their turn

// Runs that together fill one buffer: many small ones cost as few hand-overs as one large. But not too many:
// the receiver is to have work while the next ones are read.
using Batch = std::vector<ChunkRun>;
constexpr std::size_t kMostRuns = 32;

class Batcher {
public:
    Batcher(const Header& header, const RunSource& source)
        : limit_(kMaxDataBytes >> header.chunk_shift), source_(source)
    {}

    // Empty at the end.
    Batch next()
    {
        Batch batch;
        for (std::uint64_t room = limit_; room > 0 && batch.size() < kMostRuns;) {
            if (left_.count == 0) {
                const auto run = source_();
                if (!run) {
                    break;
                }
                left_ = *run;
            }
            const std::uint64_t count = std::min(room, left_.count);
            batch.push_back({left_.first, count});
            left_.first += count;
            left_.count -= count;
            room -= count;
        }
        return batch;
    }

private:
    const std::uint64_t limit_; // chunks
    const RunSource& source_;
    ChunkRun left_; // of the run under way
};

// The base, until it fails. Any number of threads.
class BaseReader {
public:
    BaseReader(const Header& header, const Base& base)
        : base_(base), used_(header.patches && base.reader != nullptr && header.chunk_bytes() > kBlockBytes)
    {}

    // What the base has of all that; false if it cannot be read.
    bool read(std::span<const ContentPart> parts)
    {
        if (!used_ || parts.empty()) {
            return false;
        }
        try {
            base_.reader->read_all(parts);
            return true;
        } catch (const TransferError& failed) {
            const std::lock_guard lock(mutex_);
            error_ = failed.what();
            used_ = false;
            return false;
        }
    }
    bool used() const noexcept { return used_; }
    bool has(const ContentPart& part) const noexcept { return part.offset + part.data.size() <= base_.bytes; }
    std::string error()
    {
        const std::lock_guard lock(mutex_);
        return error_;
    }

private:
    const Base base_;
    std::atomic<bool> used_;
    std::mutex mutex_;
    std::string error_;
};

// Where the runs are, and where in `room` they are to be read: one behind the other, at multiples of 4096.
std::vector<ContentPart> places_of(const Header& header, const Batch& batch, std::span<std::byte> room)
{
    std::vector<ContentPart> parts;
    parts.reserve(batch.size());
    for (const ChunkRun& run : batch) {
        // All but the volume's last chunk end at a multiple of 4096.
        const auto place = room.first(plain_bytes(header, run.first, run.count));
        parts.push_back({run.first << header.chunk_shift, place});
        room = room.subspan(place.size());
    }
    return parts;
}

using Readers = OrderedWorkers<Batch, std::vector<Piece>>;

Readers::Work make_reader(const Header& header, SnapshotReader& reader, BaseReader& base,
                          const BufferPool& pool, Compression compression)
{
    auto encoder = std::make_shared<Encoder>(compression);
    return [&header, &reader, &base, &pool, encoder](Batch& batch) {
        const auto memory = pool.get();
        const std::vector<ContentPart> now = places_of(header, batch, memory->bytes());
        reader.read_all(now);
        const auto before = base.used() ? pool.get() : nullptr;
        std::vector<ContentPart> then;
        if (before) {
            then = places_of(header, batch, before->bytes());
            while (!then.empty() && !base.has(then.back())) { // the volume has grown since
                then.pop_back();
            }
        }
        const bool has_base = base.read(then);
        std::vector<Piece> pieces;
        encoder->begin_batch();
        for (std::size_t i = 0; i < batch.size(); ++i) {
            const Bytes old = has_base && i < then.size() ? Bytes(then[i].data) : Bytes{};
            auto encoded = encoder->encode(header, batch[i].first, now[i].data, memory, old);
            std::move(encoded.begin(), encoded.end(), std::back_inserter(pieces));
        }
        return pieces;
    };
}

// Keeps the stream below a rate: after each batch it waits until the bytes so far are due.
class Pace {
public:
    explicit Pace(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}
    void keep(std::uint64_t bytes) const
    {
        if (rate_ > 0) {
            const double seconds = static_cast<double>(bytes) / static_cast<double>(rate_);
            std::this_thread::sleep_until(
                start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
        }
    }

private:
    using Clock = std::chrono::steady_clock;
    const std::uint64_t rate_;
    const Clock::time_point start_ = Clock::now();
};

void need(const Result<void>& done)
{
    if (!done) {
        throw SinkError("the stream cannot be written: " + done.error().what);
    }
}

} // namespace

SendProgress send(const Header& header, const RunSource& runs, SnapshotReader& reader, ByteSink& sink,
                  const SendOptions& options, const SendObserver& observer, const Base& base)
{
    StreamWriter writer(sink);
    need(writer.begin(header).and_then([&] { return writer.flush(); })); // there is much to prepare for it
    BaseReader old(header, base);
    const BufferPool pool(kMaxDataBytes);
    Readers workers(options.threads, kSendWindow,
                    [&] { return make_reader(header, reader, old, pool, options.compression); });
    Batcher batches(header, runs);
    const Pace pace(options.bytes_per_second);
    SendProgress progress;
    bool more = true;
    while (more || !workers.empty()) {
        while (more && !workers.full()) {
            Batch batch = batches.next();
            more = !batch.empty();
            if (more) {
                workers.put(std::move(batch));
            }
        }
        if (workers.empty()) {
            break;
        }
        for (const Piece& piece : workers.take()) {
            need(writer.append(piece));
            progress.chunks += piece.record.count;
        }
        need(writer.flush());
        progress.bytes = writer.bytes();
        observer(progress);
        pace.keep(progress.bytes);
    }
    need(writer.finish());
    progress.bytes = writer.bytes();
    progress.base_error = old.error();
    return progress;
}

} // namespace zumastor::stream
