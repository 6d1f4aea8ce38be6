// SPDX-License-Identifier: GPL-2.0
// The bytes of the stream, version 1, are what the stored sample says; fields out of range are refused.
#include <gtest/gtest.h>

#include "tests/support/sample.h"
#include "tests/unit/stream_world.h"

namespace zumastor::stream::test {
namespace {

Header example()
{
    Header header;
    header.chunk_shift = 12;
    for (std::size_t i = 0; i < 16; ++i) {
        header.lineage[i] = static_cast<std::byte>(0x10 + i);
        header.from[i] = static_cast<std::byte>(0x20 + i);
        header.to[i] = static_cast<std::byte>(0x30 + i);
    }
    header.sectors = 8 * 9 + 1; // the tenth chunk has one sector
    header.chunks = 6;
    header.first_chunk = 1;
    header.created_ns = 1'700'000'000'123'456'789;
    header.name = SnapshotName::from("before-upgrade").value();
    header.tag = SnapshotTag::need("hourly,daily");
    return header;
}

// One data record plain, one of zeros, one partial chunk; then the end.
Content example_stream()
{
    MemoryVolume volume(Content(example().sectors * 512));
    for (std::size_t i = 4096; i < 3UL * 4096; ++i) {
        volume.content[i] = static_cast<std::byte>(i / 64);
    }
    volume.content[9UL * 4096] = std::byte{0xff};
    MemorySink sink;
    SendOptions options;
    options.compression.zstd.reset(); // zstd's output is not ours to promise
    send(example(), runs_of({{1, 5}, {9, 1}}), volume, sink, options, [](const auto&) {});
    return sink.bytes;
}

// All of a small volume: a stream without a base leaves no chunk out.
Header full_example()
{
    Header header = example();
    header.from = {};
    header.chunks = header.all_chunks();
    header.first_chunk = 0;
    return header;
}

Content full_content()
{
    Content content(full_example().sectors * 512);
    for (std::size_t i = 4096; i < 3UL * 4096; ++i) {
        content[i] = static_cast<std::byte>(i / 64);
    }
    content[9UL * 4096 + 511] = std::byte{0xff};
    return content;
}

Content full_stream(Compression compression)
{
    MemoryVolume volume(full_content());
    MemorySink sink;
    SendOptions options;
    options.compression = compression;
    send(full_example(), runs_of({{0, full_example().all_chunks()}}), volume, sink, options,
         [](const auto&) {});
    return sink.bytes;
}

// What a full stream leaves on a volume that held something else; counts records that are zstd frames.
Content received_in_full(const Content& stream, int& compressed)
{
    MemorySource peek(stream);
    StreamReader records(peek);
    EXPECT_TRUE(records.begin());
    for (auto piece = records.next(); piece && *piece; piece = records.next()) {
        compressed += ((*piece)->record.flags & Record::kZstd) != 0 ? 1 : 0;
    }
    MemorySource source(stream);
    StreamReader reader(source);
    const auto header = reader.begin();
    EXPECT_TRUE(header && *header == full_example());
    MemoryVolume target(Content(full_example().sectors * 512, std::byte{5}));
    receive(reader, target, {}, {[](const auto&) {}, [](std::uint64_t) {}});
    return target.content;
}

TEST(StreamFormat, AFullSampleIsUnderstood)
{
    const Content written = full_stream(Compression{std::nullopt});
    const Content stored = zumastor::test::sample("stream-full.hex", written);
    EXPECT_TRUE(written == stored);
    int compressed = 0;
    EXPECT_TRUE(received_in_full(stored, compressed) == full_content());
    EXPECT_EQ(compressed, 0);
}

// What zstd makes of it may change with zstd; what it made once must be understood for ever.
TEST(StreamFormat, ACompressedSampleIsUnderstood)
{
    Content written = full_stream(Compression{});
    written.resize(1 << 16); // however long it is today: what follows the end is not looked at
    const Content stored = zumastor::test::sample("stream-zstd.hex", written);
    int compressed = 0;
    EXPECT_TRUE(received_in_full(stored, compressed) == full_content());
    EXPECT_GE(compressed, 1);
}

// SNAPSTORE_WRITE_SAMPLES=1 makes it anew: only on a change of the version.
TEST(StreamFormat, SampleIsUnderstood)
{
    const Content written = example_stream();
    const Content stored = zumastor::test::sample("stream.hex", written);
    EXPECT_TRUE(written == stored);
    MemorySource source(stored);
    StreamReader reader(source);
    const auto header = reader.begin();
    ASSERT_TRUE(header) << header.error().what;
    EXPECT_EQ(*header, example());
    MemoryVolume target(Content(example().sectors * 512, std::byte{5}));
    receive(reader, target, {}, {[](const auto&) {}, [](std::uint64_t) {}});
    EXPECT_EQ(target.content[4096], std::byte{64});
    EXPECT_EQ(target.content[3UL * 4096], std::byte{0}); // a zero run
    EXPECT_EQ(target.content[6UL * 4096], std::byte{5}); // not in the stream
    EXPECT_EQ(target.content[9UL * 4096], std::byte{0xff});
}

template <class Change>
std::string refusal(Change change)
{
    Header header = example();
    change(header);
    const auto decoded = decode_header(encode(header));
    return decoded ? "" : decoded.error().what;
}

TEST(StreamFormat, ImpossibleHeadersAreRefused)
{
    EXPECT_EQ(refusal([](Header&) {}), "");
    EXPECT_NE(refusal([](Header& h) { h.chunk_shift = 11; }), "");
    EXPECT_NE(refusal([](Header& h) { h.chunk_shift = 21; }), "");
    EXPECT_NE(refusal([](Header& h) { h.to = {}; }), "");
    EXPECT_NE(refusal([](Header& h) { h.sectors = 0; }), "");
    EXPECT_NE(refusal([](Header& h) { h.sectors = ~0ull; }), "");
    EXPECT_NE(refusal([](Header& h) { h.first_chunk = 11; }), "");
    EXPECT_NE(refusal([](Header& h) { h.chunks = 10; }), ""); // 9 are left after the first
}

// Another version, unknown features: said by name, and not taken for damage.
TEST(StreamFormat, AnotherVersionIsNamed)
{
    auto bytes = encode(example());
    bytes[8] = std::byte{2};
    EXPECT_NE(decode_header(bytes).error().what.find("version 2"), std::string::npos);
    bytes[8] = std::byte{0}; // older than any
    EXPECT_NE(decode_header(bytes).error().what.find("version 0"), std::string::npos);
    bytes = encode(example());
    bytes[16] = std::byte{4};
    const std::uint64_t hash = hash_of(Bytes(bytes).first(kHeaderBytes - 8));
    std::memcpy(&bytes[kHeaderBytes - 8], &hash, 8);
    EXPECT_NE(decode_header(bytes).error().what.find("0x4"), std::string::npos);
    bytes[0] = std::byte{'z'};
    EXPECT_NE(decode_header(bytes).error().what.find("not a replication stream"), std::string::npos);
}

// A receiver that does not know sectors ignores the field, and so does this one with what it does not know
// there.
TEST(StreamFormat, SectorsAreToBeIgnoredByWhoDoesNotKnowThem)
{
    Header header = example();
    EXPECT_EQ(header.sector_bytes(), 0U);
    header.sector_shift = 12;
    auto bytes = encode(header);
    EXPECT_EQ(decode_header(bytes)->sector_bytes(), 4096U);
    EXPECT_EQ(bytes[16], encode(example())[16]); // nothing more that must be known
    for (const int field : {1, 8, 21, 31, 32, 255}) {
        bytes[24] = static_cast<std::byte>(field);
        const std::uint64_t hash = hash_of(Bytes(bytes).first(kHeaderBytes - 8));
        std::memcpy(&bytes[kHeaderBytes - 8], &hash, 8);
        ASSERT_TRUE(decode_header(bytes)) << field;
        EXPECT_EQ(decode_header(bytes)->sector_bytes(), 0U) << field;
    }
}

// With right checksums, so that the fields themselves are checked.
std::string error_of(const Header& header, Record record, Bytes payload)
{
    Content bytes;
    const auto add = [&](Bytes more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
    add(encode(header));
    record.payload = static_cast<std::uint32_t>(payload.size());
    add(encode(record));
    add(payload);
    MemorySource source(bytes);
    StreamReader reader(source);
    const auto got = reader.begin().and_then([&](const Header&) { return reader.next(); });
    return got ? "" : got.error().what;
}

TEST(StreamFormat, ImpossibleRecordsAreRefused)
{
    const Content payload(4096);
    Record good;
    good.type = RecordType::data;
    good.first = 1;
    good.count = 1;
    EXPECT_EQ(error_of(example(), good, payload), "");
    const auto refused = [&](auto change) {
        Record record = good;
        change(record);
        return !error_of(example(), record, record.type == RecordType::zero ? Bytes{} : Bytes(payload))
                    .empty();
    };
    EXPECT_TRUE(refused([](Record& r) { r.type = static_cast<RecordType>(9); }));
    EXPECT_TRUE(refused([](Record& r) { r.first = 0; }));     // before first_chunk
    EXPECT_TRUE(refused([](Record& r) { r.first = ~0ull; })); // sums would wrap
    EXPECT_TRUE(refused([](Record& r) { r.count = ~0u; }));
    EXPECT_TRUE(refused([](Record& r) { r.count = 0; }));
    EXPECT_TRUE(refused([](Record& r) { r.sequence = 1; }));
    EXPECT_TRUE(refused([](Record& r) { r.flags = 2; }));
    EXPECT_TRUE(refused([](Record& r) {
        r.type = RecordType::zero;
        r.hash = 1;
    }));
    EXPECT_TRUE(refused([](Record& r) { r.count = 7; })); // more than announced
    Header huge = example();
    huge.chunk_shift = 20;
    huge.sectors = 1 << 20;
    Record large = good;
    large.count = 2; // expands to 2 MiB
    EXPECT_FALSE(error_of(huge, large, payload).empty());
}

// A frame that expands to more than its chunks, and one that is none.
TEST(StreamFormat, FramesExpandToTheirChunksAndNoMore)
{
    Header header = example();
    Encoder encoder(Compression{});
    Content plain(8192, std::byte{7});
    auto pieces = encoder.encode(header, 1, plain);
    ASSERT_EQ(pieces.size(), 1u);
    Content buffer(kMaxDataBytes);
    Decoder decoder;
    EXPECT_TRUE(decoder.decode(header, pieces[0], buffer));
    pieces[0].record.count = 1;
    EXPECT_FALSE(decoder.decode(header, pieces[0], buffer));
    pieces[0].record.count = 3;
    EXPECT_FALSE(decoder.decode(header, pieces[0], buffer));
    pieces[0].record.count = 2;
    const Content garbage(100, std::byte{0x5a});
    pieces[0].payload = garbage;
    EXPECT_FALSE(decoder.decode(header, pieces[0], buffer));
}

} // namespace
} // namespace zumastor::stream::test
