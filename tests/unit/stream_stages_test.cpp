// SPDX-License-Identifier: GPL-2.0
// The stages between a disk and a link: each holds only so much, none is faster than it may be, and what is
// remembered as received is on the disk.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <set>
#include <thread>

#include "tests/unit/stream_case.h"

namespace zumastor::stream::test {
namespace {

using Clock = std::chrono::steady_clock;

// A writer whose writes count only once they have been flushed, as those to a disk with a cache.
class CachedVolume final : public VolumeWriter {
public:
    CachedVolume(const Header& header, const std::vector<ChunkRun>& runs) : shift_(header.chunk_shift)
    {
        for (const ChunkRun& run : runs) {
            for (std::uint64_t i = 0; i < run.count; ++i) {
                missing_.insert(run.first + i);
            }
        }
    }
    void write(std::uint64_t offset, Bytes data) override { cache(offset, data.size()); }
    void zero(std::uint64_t offset, std::uint64_t length) override { cache(offset, length); }
    void flush() override
    {
        const std::lock_guard lock(mutex_);
        for (const std::uint64_t chunk : cached_) {
            missing_.erase(chunk);
        }
        cached_.clear();
    }
    // The first chunk of the stream that the power may still take.
    std::uint64_t first_missing()
    {
        const std::lock_guard lock(mutex_);
        return missing_.empty() ? UINT64_MAX : *missing_.begin();
    }

private:
    void cache(std::uint64_t offset, std::uint64_t length)
    {
        const std::lock_guard lock(mutex_);
        for (std::uint64_t at = offset; at < offset + length; at += 1ull << shift_) {
            cached_.insert(at >> shift_);
        }
    }

    const std::uint32_t shift_;
    std::mutex mutex_;
    std::set<std::uint64_t> missing_;
    std::set<std::uint64_t> cached_;
};

TEST(StreamStages, WhatIsRememberedAsReceivedHasBeenFlushed)
{
    const Case c = make_case(12, false, 31);
    const Content bytes = send_to_memory(c, Compression{});
    for (const std::size_t length : {bytes.size(), bytes.size() / 2}) { // to its end; broken off
        CachedVolume target(c.header, c.runs);
        MemorySource source(Bytes(bytes).first(length));
        StreamReader reader(source);
        ASSERT_TRUE(reader.begin());
        ReceiveOptions options;
        options.threads = 3;
        options.interval = 1;
        int times = 0;
        const ReceiveHooks hooks{[](const auto&) {},
                                 [&](std::uint64_t next) {
                                     ++times;
                                     EXPECT_GE(target.first_missing(), next);
                                 }};
        if (length == bytes.size()) {
            receive(reader, target, options, hooks);
            EXPECT_EQ(target.first_missing(), UINT64_MAX);
        } else {
            EXPECT_THROW(receive(reader, target, options, hooks), BadStream);
        }
        EXPECT_GT(times, 0);
    }
}

// Bytes that have passed somewhere, and who waits for them.
class Passed {
public:
    void add(std::uint64_t more)
    {
        const std::lock_guard lock(mutex_);
        bytes_ += more;
        changed_.notify_all();
    }
    bool reaches(std::uint64_t wanted, std::chrono::milliseconds limit)
    {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [&] { return bytes_ >= wanted; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t bytes_ = 0;
};

// Holds whoever comes until it is opened.
class Gate {
public:
    void pass()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return open_; });
    }
    void open()
    {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

constexpr std::chrono::seconds kForEver{60};
constexpr std::chrono::milliseconds kMore{300}; // for what must not come

// Incompressible for who does not compress, and quickly made.
Case large_case(std::uint64_t bytes)
{
    Case c;
    c.header = header_of(14, true, bytes / 512);
    c.runs = {{0, c.header.all_chunks()}};
    c.header.chunks = c.header.all_chunks();
    c.before.resize(bytes);
    c.after.assign(bytes, std::byte{0x5a});
    return c;
}

// sender.cpp: batches under way, one that is being written, and one for each thread.
constexpr std::uint64_t kSenderHolds = (8 + 4) * std::uint64_t{kMaxDataBytes};

TEST(StreamStages, ASenderReadsNotFarAheadOfItsSink)
{
    const Case c = large_case(2 * kSenderHolds);
    Passed passed;
    Gate gate;
    struct Reader final : SnapshotReader {
        explicit Reader(Passed& p) : passed(p) {}
        void read(std::uint64_t, std::span<std::byte> data) override
        {
            std::fill(data.begin(), data.end(), std::byte{0x5a});
            passed.add(data.size());
        }
        Passed& passed;
    } reader(passed);
    struct Blocking final : ByteSink {
        explicit Blocking(Gate& g) : gate(g) {}
        bool write(Bytes more) override
        {
            if (bytes > 0) { // behind the header
                gate.pass();
            }
            bytes += more.size();
            return true;
        }
        std::string error() const override { return {}; }
        Gate& gate;
        std::uint64_t bytes = 0;
    } sink(gate);
    SendOptions options;
    options.compression.zstd.reset();
    options.threads = 4;
    std::thread sending([&] { send(c.header, runs_of(c.runs), reader, sink, options, [](const auto&) {}); });
    EXPECT_TRUE(passed.reaches(8 * std::uint64_t{kMaxDataBytes}, kForEver)) << "it does not read ahead";
    EXPECT_FALSE(passed.reaches(kSenderHolds + 1, kMore)) << "it reads on, though nobody takes anything";
    gate.open();
    sending.join();
    EXPECT_GT(sink.bytes, c.after.size());
}

// receiver.cpp: batches under way, and one for each thread.
constexpr std::size_t kReceiverThreads = 2;
constexpr std::uint64_t kReceiverHolds = (32 + kReceiverThreads) * std::uint64_t{kMaxDataBytes};

TEST(StreamStages, AReceiverReadsNotFarAheadOfItsDisk)
{
    const Case c = large_case(kReceiverHolds + 8 * std::uint64_t{kMaxDataBytes});
    const Content bytes = send_to_memory(c, Compression{std::nullopt});
    Passed passed;
    Gate gate;
    struct Source final : ByteSource {
        Source(Bytes content, Passed& p) : memory(content), passed(p) {}
        std::size_t read(std::span<std::byte> to) override
        {
            const std::size_t got = memory.read(to);
            passed.add(got);
            return got;
        }
        std::string error() const override { return {}; }
        MemorySource memory;
        Passed& passed;
    } source(bytes, passed);
    struct Blocking final : VolumeWriter {
        explicit Blocking(Gate& g) : gate(g) {}
        void write(std::uint64_t, Bytes) override { gate.pass(); }
        void zero(std::uint64_t, std::uint64_t) override { gate.pass(); }
        void flush() override {}
        Gate& gate;
    } target(gate);
    StreamReader reader(source);
    ASSERT_TRUE(reader.begin());
    ReceiveOptions options;
    options.threads = kReceiverThreads;
    std::uint64_t chunks = 0;
    std::thread receiving([&] {
        chunks = receive(reader, target, options, {[](const auto&) {}, [](std::uint64_t) {}}).chunks;
    });
    EXPECT_TRUE(passed.reaches(32 * std::uint64_t{kMaxDataBytes}, kForEver)) << "it does not read ahead";
    EXPECT_FALSE(passed.reaches(kReceiverHolds + (64u << 10), kMore))
        << "it reads on, though nothing is written";
    gate.open();
    receiving.join();
    EXPECT_EQ(chunks, c.header.chunks);
}

// Never more than one batch ahead of what is due; and not much slower than it may be.
TEST(StreamStages, ARateIsKept)
{
    const Case c = large_case(8 * std::uint64_t{kMaxDataBytes});
    MemoryVolume source(c.after);
    NullSink nowhere;
    SendOptions options;
    options.compression.zstd.reset();
    options.bytes_per_second = 4 * std::uint64_t{kMaxDataBytes};
    const auto begun = Clock::now();
    const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begun).count(); };
    const auto due = [&](std::uint64_t bytes) {
        return static_cast<double>(bytes) / static_cast<double>(options.bytes_per_second);
    };
    std::uint64_t before = 0;
    const auto sent = send(c.header, runs_of(c.runs), source, nowhere, options, [&](const SendProgress& p) {
        EXPECT_GE(seconds(), due(before));
        EXPECT_LE(p.bytes - before, kMaxDataBytes + 4096u);
        before = p.bytes;
    });
    EXPECT_GE(seconds(), due(before));
    EXPECT_GE(seconds(), 2.0);
    EXPECT_LT(seconds(), 20.0);
    EXPECT_GT(sent.bytes, c.after.size());
}

} // namespace
} // namespace zumastor::stream::test
