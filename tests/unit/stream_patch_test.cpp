// SPDX-License-Identifier: GPL-2.0
// Chunks of which a part has changed: that part is sent, the whole arrives.
#include <gtest/gtest.h>

#include <atomic>
#include <utility>

#include "tests/support/sample.h"
#include "tests/unit/stream_case.h"
#include "tools/stream/patch.h"

namespace zumastor::stream::test {
namespace {

// Of every chunk that is sent one block is new, or a few, or all; some are as they were; some become zeros.
Case make_patched(std::uint32_t chunk_shift, unsigned seed)
{
    Case c = make_case(chunk_shift, false, seed);
    std::mt19937_64 random(seed);
    c.header.patches = true;
    c.after = c.before;
    for (const ChunkRun& run : c.runs) {
        for (std::uint64_t chunk = run.first; chunk < run.first + run.count; ++chunk) {
            auto part = std::span(c.after).subspan(chunk << chunk_shift, plain_bytes(c.header, chunk, 1));
            const auto kind = random() % 8;
            for (std::size_t at = 0; at < part.size(); at += kBlockBytes) {
                if (kind == 0) { // one byte changes all of a block
                    part[at + random() % 512] ^= std::byte{1};
                } else if (kind == 1) {
                    std::fill(part.begin(), part.end(), std::byte{0});
                } else if (kind < 5 && random() % 4 == 0) {
                    const std::size_t length = std::min(kBlockBytes, part.size() - at);
                    std::generate_n(part.begin() + static_cast<std::ptrdiff_t>(at), length,
                                    [&] { return static_cast<std::byte>(random()); });
                }
            }
        }
    }
    return c;
}

struct Sent {
    Content bytes;
    SendProgress progress;
};

Sent send_patched(const Case& c, SnapshotReader& base, std::uint64_t base_bytes,
                  Compression compression = Compression{std::nullopt})
{
    MemoryVolume source(c.after);
    MemorySink sink;
    SendOptions options;
    options.compression = compression;
    Sent sent;
    sent.progress = send(
        c.header, runs_of(c.runs), source, sink, options, [](const auto&) {}, Base{&base, base_bytes});
    sent.bytes = std::move(sink.bytes);
    return sent;
}

std::vector<RecordType> types_of(Bytes bytes)
{
    MemorySource source(bytes);
    StreamReader reader(source);
    EXPECT_TRUE(reader.begin());
    std::vector<RecordType> types;
    for (auto piece = reader.next(); piece && *piece; piece = reader.next()) {
        types.push_back((*piece)->record.type);
    }
    return types;
}

class PatchTest : public testing::TestWithParam<std::uint32_t> {};

TEST_P(PatchTest, WhatIsSentArrives)
{
    for (const auto& compression : {Compression{}, Compression{std::nullopt}}) {
        const Case c = make_patched(GetParam(), 40 + GetParam());
        MemoryVolume base(c.before);
        const Sent sent = send_patched(c, base, c.before.size(), compression);
        const auto types = types_of(sent.bytes);
        EXPECT_EQ(std::count(types.begin(), types.end(), RecordType::patch) > 0, GetParam() > 12);
        MemoryVolume target(c.before);
        receive_from(sent.bytes, target);
        EXPECT_TRUE(target.content == c.after);
        EXPECT_EQ(sent.progress.base_error, "");
    }
}

INSTANTIATE_TEST_SUITE_P(Chunks, PatchTest, testing::Values(12u, 13u, 14u, 16u, 20u));

TEST(Patch, OnlyWhatHasChangedIsSentAndWritten)
{
    Case c = make_case(14, false, 50);
    c.header.patches = true;
    c.after = c.before;
    for (const ChunkRun& run : c.runs) {
        for (std::uint64_t chunk = run.first; chunk < run.first + run.count; ++chunk) {
            c.after[chunk << 14] ^= std::byte{1};
        }
    }
    MemoryVolume base(c.before);
    const Sent sent = send_patched(c, base, c.before.size());
    EXPECT_LE(sent.bytes.size(), 1.02 * static_cast<double>(c.header.chunks * kBlockBytes) + 4096);
    MemoryVolume target(c.before);
    receive_from(sent.bytes, target);
    EXPECT_TRUE(target.content == c.after);
    EXPECT_LE(target.written, c.header.chunks * kBlockBytes);
}

TEST(Patch, ChunksThatAreAsBeforeAreNotWritten)
{
    Case c = make_case(16, false, 51);
    c.header.patches = true;
    c.after = c.before;
    MemoryVolume base(c.before);
    MemoryVolume target(c.before);
    const Sent sent = send_patched(c, base, c.before.size());
    EXPECT_EQ(receive_from(sent.bytes, target).chunks, c.header.chunks);
    EXPECT_EQ(target.written, 0u);
}

// The origin has grown since: what is new has nothing to be compared with.
TEST(Patch, TheBaseMayBeSmaller)
{
    const Case c = make_patched(14, 52);
    const std::size_t half = c.before.size() / 2 / 512 * 512;
    MemoryVolume base(Content(c.before.begin(), c.before.begin() + static_cast<std::ptrdiff_t>(half)));
    const Sent sent = send_patched(c, base, half);
    MemoryVolume target(c.before);
    receive_from(sent.bytes, target);
    EXPECT_TRUE(target.content == c.after);
}

TEST(Patch, ABaseThatFailsMakesChunksWhole)
{
    struct Squashed final : SnapshotReader {
        explicit Squashed(const Content& b) : before(b) {}
        void read(std::uint64_t offset, std::span<std::byte> data) override
        {
            if (++reads > 5) {
                throw TransferError("squashed");
            }
            std::memcpy(data.data(), &before.at(offset), data.size());
        }
        const Content& before;
        std::atomic<int> reads{0};
    };
    const Case c = make_patched(14, 53);
    Squashed base(c.before);
    const Sent sent = send_patched(c, base, c.before.size());
    EXPECT_EQ(sent.progress.base_error, "squashed");
    EXPECT_LE(base.reads, 5 + 4); // one for each thread
    MemoryVolume target(c.before);
    receive_from(sent.bytes, target);
    EXPECT_TRUE(target.content == c.after);
}

// Broken off anywhere, blocks of a chunk are old or new; begun again it comes out right all the same.
TEST(Patch, ABrokenOneIsAppliedAgain)
{
    const Case c = make_patched(16, 54);
    MemoryVolume base(c.before);
    const Content bytes = send_patched(c, base, c.before.size(), Compression{}).bytes;
    for (std::size_t length = kHeaderBytes; length < bytes.size(); length += 9973) {
        MemoryVolume target(c.before);
        EXPECT_THROW(receive_from(Bytes(bytes).first(length), target), BadStream);
        receive_from(bytes, target);
        ASSERT_TRUE(target.content == c.after);
    }
}

TEST(Patch, EveryFlippedBitIsRefused)
{
    Case c = make_case(13, false, 55, 160);
    c.header.patches = true;
    c.after = c.before;
    for (const ChunkRun& run : c.runs) {
        c.after[run.first << 13] ^= std::byte{1};
    }
    MemoryVolume base(c.before);
    expect_flips_refused(c, send_patched(c, base, c.before.size()).bytes);
}

TEST(Patch, IsRefusedUnlessAnnouncedAndNeverInAFullStream)
{
    Case c = make_case(13, false, 56, 160);
    c.header.patches = true;
    c.after = c.before;
    MemoryVolume base(c.before);
    Content bytes = send_patched(c, base, c.before.size()).bytes;
    ASSERT_EQ(types_of(bytes).front(), RecordType::patch);
    c.header.patches = false;
    const auto header = encode(c.header);
    std::copy(header.begin(), header.end(), bytes.begin());
    MemoryVolume target(c.before);
    EXPECT_THROW(receive_from(bytes, target), BadStream);
    c.header.patches = true;
    c.header.from = {};
    EXPECT_FALSE(decode_header(encode(c.header)));
}

// ---- the patch itself ----

struct OneRecord {
    Header header;
    Record record;
};

// Two chunks of 16 KiB at the volume's end, the last one without its last two blocks and a half.
OneRecord at_the_end()
{
    OneRecord one;
    one.header = header_of(14, false, 10 * 32 - 20);
    one.record.type = RecordType::patch;
    one.record.first = 8;
    one.record.count = 2;
    return one;
}

std::string error_of(const Content& patch)
{
    const OneRecord one = at_the_end();
    const auto runs = read_patch(one.header, one.record, patch);
    return runs ? "" : runs.error();
}

TEST(Patch, AdjacentBlocksAreOneRun)
{
    const OneRecord one = at_the_end();
    Content patch(2 * kBlockBytes + 2048 + 1);
    patch.back() = std::byte{0b110010};
    const auto runs = read_patch(one.header, one.record, patch);
    ASSERT_TRUE(runs);
    ASSERT_EQ(runs->size(), 2u);
    EXPECT_EQ((*runs)[0].offset, 8UL * 16384 + kBlockBytes);
    EXPECT_EQ((*runs)[0].content.size(), kBlockBytes);
    EXPECT_EQ((*runs)[1].offset, 8UL * 16384 + 4 * kBlockBytes);
    EXPECT_EQ((*runs)[1].content.size(), kBlockBytes + 2048);
    EXPECT_EQ((*runs)[1].content.data(), patch.data() + kBlockBytes);
}

TEST(Patch, WhatDoesNotFitIsRefused)
{
    const auto with_map = [](std::size_t bytes, unsigned map) {
        Content patch(bytes + 1);
        patch.back() = static_cast<std::byte>(map);
        return patch;
    };
    EXPECT_EQ(error_of(with_map(0, 0)), "");
    EXPECT_EQ(error_of(with_map(2048, 0b100000)), "");
    EXPECT_NE(error_of({}), "");
    EXPECT_NE(error_of(with_map(kBlockBytes, 0)), "");         // a block that belongs nowhere
    EXPECT_NE(error_of(with_map(0, 1)), "");                   // one that is missing
    EXPECT_NE(error_of(with_map(kBlockBytes, 0b100000)), "");  // half a block is there, a whole one comes
    EXPECT_NE(error_of(with_map(kBlockBytes, 0b1000000)), ""); // beyond the end
}

TEST(Patch, IsNotMadeWhereItSavesTooLittle)
{
    const Content before(16 * kBlockBytes, std::byte{1});
    Content after = before;
    Content out(before.size());
    for (std::size_t block = 0; block < 13; ++block) {
        after[block * kBlockBytes] = std::byte{2};
    }
    EXPECT_EQ(make_patch(after, before, out), 13 * kBlockBytes + 2);
    after[13 * kBlockBytes] = std::byte{2};
    EXPECT_EQ(make_patch(after, before, out), std::nullopt);
}

// The bytes of a stream with patches are what the stored sample says.
TEST(Patch, SampleIsUnderstood)
{
    Case c;
    c.header = header_of(14, false, 10 * 32 - 20);
    c.header.patches = true;
    c.before.resize(c.header.sectors * 512);
    c.after = c.before;
    c.after[4UL * 16384 + 2 * kBlockBytes + 7] = std::byte{0xaa};
    c.after[c.after.size() - 1] = std::byte{0xbb};
    c.runs = {{4, 1}, {8, 2}};
    c.header.chunks = total(c.runs);
    MemoryVolume base(c.before);
    const Content written = send_patched(c, base, c.before.size()).bytes;
    const Content stored = zumastor::test::sample("stream-patches.hex", written);
    EXPECT_TRUE(written == stored);
    MemoryVolume target(c.before);
    receive_from(stored, target);
    EXPECT_TRUE(target.content == c.after);
}

} // namespace
} // namespace zumastor::stream::test
