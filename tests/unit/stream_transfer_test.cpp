// SPDX-License-Identifier: GPL-2.0
// The replication stream: what is sent arrives; what is broken is refused, and nothing of it is written.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <set>
#include <tuple>

#include "tests/unit/stream_case.h"

namespace zumastor::stream::test {
namespace {

class StreamTest : public testing::TestWithParam<std::tuple<std::uint32_t, bool>> {};

TEST_P(StreamTest, WhatIsSentArrives)
{
    const auto [shift, full] = GetParam();
    for (const auto& compression : {Compression{}, Compression{std::nullopt}, Compression{19}}) {
        const Case c = make_case(shift, full, shift * 2 + (full ? 1 : 0));
        const Content bytes = send_to_memory(c, compression);
        MemoryVolume target(full ? Content(c.before.size(), std::byte{9}) : c.before);
        const auto progress = receive_from(bytes, target);
        EXPECT_TRUE(target.content == c.after);
        EXPECT_EQ(progress.chunks, c.header.chunks);
        EXPECT_EQ(progress.bytes, bytes.size());
        EXPECT_GE(target.flushes, 1);
    }
}

INSTANTIATE_TEST_SUITE_P(Chunks, StreamTest,
                         testing::Combine(testing::Values(12u, 14u, 16u, 20u), testing::Bool()));

TEST(Stream, TheSameBytesWhateverTheThreads)
{
    const Case c = make_case(14, false, 5);
    EXPECT_TRUE(send_to_memory(c, Compression{}, 1) == send_to_memory(c, Compression{}, 8));
}

TEST(Stream, LittleMoreThanTheData)
{
    Case c = make_case(14, true, 6);
    c.after = c.before; // incompressible, no zeros
    const Content bytes = send_to_memory(c, Compression{std::nullopt});
    EXPECT_LE(static_cast<double>(bytes.size()), 1.02 * static_cast<double>(c.after.size()) + 65536);
    NullSink nowhere; // a dry run says the same
    MemoryVolume source(c.after);
    const auto counted =
        send(c.header, runs_of(c.runs), source, nowhere, {Compression{std::nullopt}}, [](const auto&) {});
    EXPECT_EQ(bytes.size(), counted.bytes);
    const Content compressed = send_to_memory(c, Compression{}); // does not grow
    EXPECT_LE(compressed.size(), bytes.size());
}

TEST(Stream, ZerosCostBytesNotChunks)
{
    Case c = make_case(14, true, 7);
    c.after.assign(c.after.size(), std::byte{0});
    EXPECT_EQ(send_to_memory(c, Compression{std::nullopt}).size(),
              kHeaderBytes + 2 * kRecordBytes + kEndPayloadBytes);
}

// Where the header and each record end.
std::vector<std::size_t> boundaries(Bytes bytes)
{
    std::vector<std::size_t> ends;
    for (std::size_t at = kHeaderBytes; at < bytes.size();) {
        ends.push_back(at);
        const auto record =
            decode_record(std::span<const std::byte, kRecordBytes>(bytes.subspan(at, kRecordBytes)));
        if (!record) {
            ADD_FAILURE() << "no record at byte " << at;
            break;
        }
        at += kRecordBytes + record->payload;
        ends.push_back(at - record->payload); // and where its payload begins
    }
    return ends;
}

// Cut anywhere: refused, and what was remembered as reached is whole.
TEST(Stream, EveryTruncationIsRefused)
{
    const Case c = make_case(12, false, 8, 1024);
    const Content bytes = send_to_memory(c, Compression{});
    std::set<std::size_t> lengths;
    for (std::size_t length = 0; length < bytes.size(); length += length < 1000 ? 7 : 977) {
        lengths.insert(length);
    }
    const std::vector<std::size_t> ends = boundaries(bytes);
    ASSERT_GT(ends.size(), 20u);
    for (const std::size_t end : ends) {
        lengths.insert({end - 1, end, end + 1});
    }
    lengths.insert(bytes.size() - 1);
    for (const std::size_t length : lengths) {
        MemoryVolume target(c.before);
        std::uint64_t reached = 0;
        EXPECT_THROW(receive_from(Bytes(bytes).first(length), target, &reached, 1), BadStream) << length;
        for (std::uint64_t at = 0; at < reached << 12 && at < target.content.size(); at += 512) {
            ASSERT_EQ(target.content[at], c.after[at]);
        }
    }
}

TEST(Stream, EveryFlippedBitIsRefused)
{
    const Case c = make_case(12, false, 23, 160);
    ASSERT_GE(c.runs.size(), 2u);
    expect_flips_refused(c, send_to_memory(c, Compression{}));
}

TEST(Stream, ResumesWhereItStopped)
{
    const Case c = make_case(14, false, 10);
    const Content bytes = send_to_memory(c, Compression{});
    MemoryVolume target(c.before);
    std::uint64_t reached = 0;
    EXPECT_THROW(receive_from(Bytes(bytes).first(bytes.size() / 2), target, &reached, 1 << 16), BadStream);
    ASSERT_GT(reached, 0u);
    Case rest = c;
    std::erase_if(rest.runs, [&](const ChunkRun& run) { return run.first + run.count <= reached; });
    ASSERT_FALSE(rest.runs.empty());
    if (rest.runs.front().first < reached) {
        rest.runs.front().count -= reached - rest.runs.front().first;
        rest.runs.front().first = reached;
    }
    rest.header.first_chunk = reached;
    rest.header.chunks = total(rest.runs);
    target.written = 0;
    receive_from(send_to_memory(rest, Compression{}), target);
    EXPECT_TRUE(target.content == c.after);
    EXPECT_LT(target.written, c.header.chunks << 14);
}

TEST(Stream, FullStreamMayNotLeaveOutAChunk)
{
    Case c = make_case(14, true, 11);
    c.runs = {{0, 10}, {11, c.header.all_chunks() - 11}};
    c.header.chunks = total(c.runs);
    MemoryVolume target(c.before);
    EXPECT_THROW(receive_from(send_to_memory(c, Compression{}), target), BadStream);
}

TEST(Stream, AReaderThatFailsEndsTheSending)
{
    struct Broken final : SnapshotReader {
        void read(std::uint64_t offset, std::span<std::byte>) override
        {
            if (offset > (2u << 20)) {
                throw std::runtime_error("squashed");
            }
        }
    } reader;
    const Case c = make_case(14, true, 12);
    MemorySink sink;
    EXPECT_THROW(send(c.header, runs_of(c.runs), reader, sink, {}, [](const auto&) {}), std::runtime_error);
    MemoryVolume target(c.before);
    EXPECT_THROW(receive_from(sink.bytes, target), BadStream); // it has no end
}

TEST(Stream, ASinkThatFailsEndsTheSending)
{
    const Case c = make_case(14, true, 13);
    MemoryVolume source(c.after);
    MemorySink sink;
    sink.limit = 100'000;
    EXPECT_THROW(send(c.header, runs_of(c.runs), source, sink, {}, [](const auto&) {}), std::runtime_error);
}

// A device tells of a failed write-back once, at the next flush; the one after that succeeds again.
TEST(Stream, AFlushThatFailsOnceEndsTheReception)
{
    struct FailsOnce final : VolumeWriter {
        void write(std::uint64_t, Bytes) override {}
        void zero(std::uint64_t, std::uint64_t) override {}
        void flush() override
        {
            if (++flushes == failing) {
                throw std::runtime_error("not flushed");
            }
        }
        int flushes = 0;
        int failing = 0;
    };
    const Case c = make_case(14, true, 14);
    const Content bytes = send_to_memory(c, Compression{});
    int last = 1;
    for (int failing = 1; failing <= last; ++failing) {
        MemorySource source(bytes);
        StreamReader reader(source);
        ASSERT_TRUE(reader.begin());
        FailsOnce target;
        target.failing = failing;
        ReceiveOptions options;
        options.interval = 1 << 20;
        std::uint64_t reached = 0;
        const ReceiveHooks hooks{[](const auto&) {}, [&](std::uint64_t next) { reached = next; }};
        EXPECT_THROW(receive(reader, target, options, hooks), std::runtime_error) << failing;
        EXPECT_LT(reached, c.header.all_chunks());
        if (failing == 1) { // how many there are in all
            MemorySource again(bytes);
            StreamReader second(again);
            ASSERT_TRUE(second.begin());
            FailsOnce sound;
            receive(second, sound, options, hooks);
            last = sound.flushes;
            reached = 0;
        }
    }
    EXPECT_GT(last, 3);
}

// Gives up where it is told to, as if a signal had come.
struct Interrupted final : ByteSource {
    explicit Interrupted(Bytes content) : memory(content) {}
    std::size_t read(std::span<std::byte> to) override
    {
        if (fails) {
            throw std::runtime_error("interrupted");
        }
        return memory.read(to);
    }
    std::string error() const override { return {}; }
    MemorySource memory;
    bool fails = false;
};

// What has come is remembered, though the interval has not passed: only the rest is sent again.
TEST(Stream, AnInterruptedReceptionKeepsWhatHasCome)
{
    const Case c = make_case(12, false, 15);
    const Content bytes = send_to_memory(c, Compression{});
    for (const bool while_reading : {true, false}) {
        Interrupted source(bytes);
        StreamReader reader(source);
        ASSERT_TRUE(reader.begin());
        MemoryVolume target(c.before);
        std::uint64_t reached = 0;
        int records = 0;
        const auto moved = [&](const auto&) {
            if (++records == 10) {
                source.fails = while_reading;
                if (!while_reading) {
                    throw std::runtime_error("interrupted");
                }
            }
        };
        const ReceiveHooks hooks{moved, [&](std::uint64_t next) { reached = next; }};
        EXPECT_THROW(receive(reader, target, {}, hooks), std::runtime_error);
        EXPECT_EQ(records, 10);
        EXPECT_GT(reached, c.runs[1].first);
        for (std::uint64_t at = 0; at < reached << 12; at += 512) {
            ASSERT_EQ(target.content[at], c.after[at]) << at;
        }
    }
}

// What is written of it, and in how many calls.
struct Counting final : VolumeWriter {
    void write(std::uint64_t, Bytes) override { ADD_FAILURE() << "one by one"; }
    void write_all(std::span<const VolumePart> parts) override
    {
        std::uint64_t bytes = 0;
        for (const VolumePart& part : parts) {
            bytes += part.data.size();
        }
        EXPECT_LE(bytes, kMaxDataBytes);
        count(parts.size());
    }
    void zero(std::uint64_t, std::uint64_t) override { count(1); }
    void flush() override {}
    void count(std::size_t more)
    {
        const std::lock_guard lock(mutex);
        records += more;
        ++calls;
        changed.notify_all();
    }
    bool wait_for(std::size_t wanted)
    {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, std::chrono::seconds(60), [&] { return records >= wanted; });
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t records = 0;
    std::size_t calls = 0;
};

// Has the next record only when the last one has been written.
struct OneByOne final : ByteSource {
    OneByOne(Bytes content, Counting& where) : memory(content), target(where) {}
    std::size_t read(std::span<std::byte> to) override
    {
        EXPECT_TRUE(target.wait_for(records)) << "a record waits for the next one";
        return memory.read(to);
    }
    bool ready() const override
    {
        ++records; // asked after each
        return false;
    }
    std::string error() const override { return {}; }
    MemorySource memory;
    Counting& target;
    mutable std::size_t records = 0;
};

TEST(Stream, WhatHasComeIsWrittenTogether)
{
    const Case c = make_case(12, false, 16);
    const Content bytes = send_to_memory(c, Compression{});
    const ReceiveHooks hooks{[](const auto&) {}, [](std::uint64_t) {}};
    Counting together;
    MemorySource source(bytes);
    StreamReader reader(source);
    ASSERT_TRUE(reader.begin());
    receive(reader, together, {}, hooks);
    EXPECT_GT(together.records, 20u);
    EXPECT_LT(together.calls, together.records / 2);

    Counting single;
    OneByOne slow(bytes, single);
    StreamReader other(slow);
    ASSERT_TRUE(other.begin());
    receive(other, single, {}, hooks);
    EXPECT_EQ(single.records, together.records);
    EXPECT_EQ(single.calls, single.records);
}

TEST(Stream, CompressionIsParsed)
{
    EXPECT_EQ(Compression::parse("none")->zstd, std::nullopt);
    EXPECT_EQ(Compression::parse("zstd")->zstd, 3);
    EXPECT_EQ(Compression::parse("zstd:19")->zstd, 19);
    for (const char* text : {"", "zstd:", "zstd:99", "zstd:1x", "gzip"}) {
        EXPECT_FALSE(Compression::parse(text)) << text;
    }
}

} // namespace
} // namespace zumastor::stream::test
