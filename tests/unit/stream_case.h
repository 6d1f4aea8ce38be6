// SPDX-License-Identifier: GPL-2.0
// Random changes of a volume in memory, sent and received.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/stream_world.h"

namespace zumastor::stream::test {

constexpr std::uint64_t kSectors = (5ull << 20) / 512 + 8; // the last chunk is partial

inline Header header_of(std::uint32_t chunk_shift, bool full, std::uint64_t sectors)
{
    Header header;
    header.chunk_shift = chunk_shift;
    header.lineage.fill(std::byte{1});
    if (!full) {
        header.from.fill(std::byte{2});
    }
    header.to.fill(std::byte{3});
    header.sectors = sectors;
    header.created_ns = 1'700'000'000'000'000'000;
    header.name = SnapshotName::from("before the upgrade").value();
    header.tag = SnapshotTag::need("hourly");
    return header;
}

struct Case {
    Header header;
    std::vector<ChunkRun> runs;
    Content before;
    Content after;
};

// Random runs of random, compressible and zero content.
inline Case make_case(std::uint32_t chunk_shift, bool full, unsigned seed, std::uint64_t sectors = kSectors)
{
    std::mt19937_64 random(seed);
    Case c;
    c.before.resize(sectors * 512);
    for (auto& b : c.before) {
        b = static_cast<std::byte>(random());
    }
    c.after = c.before;
    Header header = header_of(chunk_shift, full, sectors);
    const std::uint64_t all = header.all_chunks();
    for (std::uint64_t at = 0; at < all;) {
        const std::uint64_t count = full ? all : std::min<std::uint64_t>(1 + random() % 20, all - at);
        c.runs.push_back({at, count});
        at += count + 1 + random() % 30;
    }
    for (const ChunkRun& run : c.runs) {
        for (std::uint64_t chunk = run.first; chunk < run.first + run.count; ++chunk) {
            const auto kind = random() % 3;
            auto part = std::span(c.after).subspan(chunk << chunk_shift, plain_bytes(header, chunk, 1));
            for (auto& b : part) {
                b = kind == 0 ? std::byte{0} : static_cast<std::byte>(kind == 1 ? random() : 7);
            }
        }
    }
    header.chunks = total(c.runs);
    c.header = header;
    return c;
}

inline Content send_to_memory(const Case& c, Compression compression, std::size_t threads = 3,
                              const Base& base = {})
{
    MemoryVolume source(c.after);
    MemorySink sink;
    SendOptions options;
    options.compression = compression;
    options.threads = threads;
    const auto sent = send(
        c.header, runs_of(c.runs), source, sink, options, [](const auto&) {}, base);
    EXPECT_EQ(sent.chunks, c.header.chunks);
    EXPECT_EQ(sent.bytes, sink.bytes.size());
    return sink.bytes;
}

inline ReceiveProgress receive_from(Bytes bytes, MemoryVolume& target, std::uint64_t* reached = nullptr,
                                    std::uint64_t interval = 64ull << 20)
{
    MemorySource source(bytes);
    StreamReader reader(source);
    if (const auto header = reader.begin(); !header) {
        throw BadStream(header.error());
    }
    ReceiveOptions options;
    options.threads = 2;
    options.interval = interval;
    return receive(reader, target, options,
                   {[](const auto&) {},
                    [&](std::uint64_t next) {
                        if (reached != nullptr) {
                            *reached = next;
                        }
                    }});
}

// With any bit flipped the stream is refused, and every block of the volume is as before or as after.
inline void expect_flips_refused(const Case& c, const Content& good)
{
    std::mt19937_64 random(9);
    for (std::size_t at = 0; at < good.size(); at += at < kHeaderBytes + kRecordBytes ? 1 : 3) {
        Content bytes = good;
        bytes[at] ^= static_cast<std::byte>(1u << (random() % 8));
        MemoryVolume target(c.before);
        EXPECT_THROW(receive_from(bytes, target), BadStream) << "byte " << at;
        for (std::size_t i = 0; i < target.content.size(); i += 4096) {
            const bool old = std::memcmp(&target.content[i], &c.before[i], 512) == 0;
            const bool now = std::memcmp(&target.content[i], &c.after[i], 512) == 0;
            ASSERT_TRUE(old || now) << "byte " << at;
        }
    }
}

} // namespace zumastor::stream::test
