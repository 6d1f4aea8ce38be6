// SPDX-License-Identifier: GPL-2.0
// Superblock and journal blocks: garbage is refused; the stored samples are still understood.
#include <random>

#include <gtest/gtest.h>

#include "format/block.h"
#include "format/journal.h"
#include "format/superblock.h"
#include "snapstore/known_format.h"
#include "tests/support/sample.h"

namespace snapstore {
namespace {

Superblock example(std::uint64_t generation = 4)
{
    Superblock sb;
    sb.generation = generation;
    for (std::size_t i = 0; i < sb.uuid.size(); ++i) {
        sb.uuid[i] = static_cast<std::byte>(0x10 + i);
    }
    sb.chunk.shift = 14;
    sb.origin.size = Sectors{1234567};
    sb.ring = Area{Block{32}, 64};
    sb.zone = Area{Block{96}, 1000};
    sb.data = {Block{1096}, 5000};
    sb.journal = {7, Sequence{99}};
    sb.epoch = Epoch{12};
    sb.next_id = SnapshotId{34};
    sb.max_snapshots = 5000;
    sb.tree = {Block{100}, 1, 300};
    sb.snapshot_table = {Block{200}, 11};
    sb.owner = "ddsnapd on a host";
    return sb;
}

std::vector<std::byte> packed(const Superblock& sb)
{
    std::vector<std::byte> block(kBlockSize.value);
    pack_superblock(sb, block);
    return block;
}

TEST(SuperblockTest, PackAndUnpack)
{
    for (const std::uint64_t generation : {4U, 5U}) {
        const Superblock sb = example(generation);
        const auto again = unpack_superblock(packed(sb), sb.home());
        ASSERT_TRUE(again) << again.error().what;
        EXPECT_EQ(*again, sb);
    }
}

TEST(SuperblockTest, EveryFlippedByteIsNoticed)
{
    const auto good = packed(example(4));
    const auto other = packed(example(5));
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = other;
        bad[i] ^= std::byte{0x40};
        EXPECT_FALSE(unpack_superblock(bad, example(5).home())) << i;
        const auto chosen = choose_superblock(good, bad);
        ASSERT_TRUE(chosen) << i;
        EXPECT_EQ(chosen->generation, 4U) << i;
    }
}

TEST(SuperblockTest, NewestValidCopyWins)
{
    const auto chosen = choose_superblock(packed(example(4)), packed(example(5)));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->generation, 5U);
}

TEST(SuperblockTest, NothingThere)
{
    const std::vector<std::byte> zeros(kBlockSize.value);
    EXPECT_EQ(choose_superblock(zeros, zeros).error().code, Errc::not_a_store);
    EXPECT_EQ(choose_superblock(packed(example(5)), zeros).error().code, Errc::corrupt); // at the wrong place
}

TEST(SuperblockTest, UnknownFeaturesAreNamed)
{
    Superblock sb = example();
    sb.features.incompat = 0x8000000000000040;
    const auto refused = unpack_superblock(packed(sb), sb.home());
    EXPECT_EQ(refused.error().code, Errc::unsupported);
    EXPECT_EQ(refused.error().where, sb.features.incompat);
    // The older copy must not be used behind its back.
    EXPECT_EQ(choose_superblock(packed(sb), packed(example(3))).error().code, Errc::unsupported);
}

TEST(SuperblockTest, WhatIsSaidToBeKnownIsWhatIsNotRefused)
{
    for (int bit = 0; bit < 64; ++bit) {
        const std::uint64_t feature = std::uint64_t{1} << bit;
        Superblock sb = example();
        sb.features.incompat = feature;
        const auto read = unpack_superblock(packed(sb), sb.home());
        const bool unsupported = !read && read.error().code == Errc::unsupported;
        EXPECT_EQ(unsupported, (known_format().incompat & feature) == 0) << feature;
    }
}

// Sizes whose number of bytes has more than 64 bits, and counts that could overflow at the next step.
TEST(SuperblockTest, NumbersThatWouldOverflowAreRefused)
{
    const auto refused = [](auto&& spoil) {
        Superblock sb = example();
        spoil(sb);
        const auto read = unpack_superblock(packed(sb), sb.home());
        return !read && read.error().code == Errc::corrupt;
    };
    EXPECT_FALSE(refused([](Superblock&) {}));
    EXPECT_TRUE(refused([](Superblock& sb) {
        sb.chunk.shift = 20;
        sb.data.chunks = std::uint64_t{1} << 44; // 2^64 bytes
    }));
    EXPECT_TRUE(refused([](Superblock& sb) { sb.origin.size = Sectors{std::uint64_t{1} << 55}; }));
    EXPECT_TRUE(refused([](Superblock& sb) { sb.generation = ~std::uint64_t{0} - 1; }));
    EXPECT_TRUE(refused([](Superblock& sb) { sb.journal.incarnation = ~std::uint64_t{0}; }));
    EXPECT_TRUE(refused([](Superblock& sb) { sb.journal.start = Sequence{~std::uint64_t{0}}; }));
    EXPECT_TRUE(refused([](Superblock& sb) { sb.ring.count = kMinJournal - 1; }));
}

TEST(SuperblockTest, ValidChecksumOverNonsense)
{
    std::mt19937_64 random(11);
    for (int i = 0; i < 20'000; ++i) { // must not crash, whatever the answer
        auto block = packed(example());
        for (int flips = 0; flips < 3; ++flips) {
            block[32 + random() % 250] = static_cast<std::byte>(random());
        }
        seal_block(block, kSuperblockMagic, example().home(), load_disk<le64>(block, 32), 4);
        const auto sb = unpack_superblock(block, example().home());
        if (sb && sb->role != DeviceRole::data) {
            EXPECT_LE(sb->ring.end(), sb->zone.first);
            EXPECT_TRUE(sb->tree.root == kNoBlock || sb->zone.contains(sb->tree.root));
        }
    }
}

constexpr Sequence kSequence{99};

std::vector<std::byte> journal_block(const Superblock& sb, Sequence sequence)
{
    std::vector<std::byte> block(kBlockSize.value);
    const record_disk add = make_record(Entry{Key::shared(Chunk{5}, Epoch{3}), 0xabcd, 77});
    const record_disk gone = make_record(RecordType::remove, Epoch{2});
    store_disk(block, add, sizeof(journal_header_disk));
    store_disk(block, gone, sizeof(journal_header_disk) + sizeof(record_disk));
    seal_journal_block(block, sb, {sequence, sb.journal.incarnation, sequence - 1, sb.generation, 2});
    return block;
}

TEST(JournalTest, PackAndUnpack)
{
    const Superblock sb = example();
    const auto block = journal_block(sb, kSequence);
    const auto header = unpack_journal_block(block, sb, journal_block_of(sb.ring, kSequence));
    ASSERT_TRUE(header) << header.error().what;
    EXPECT_EQ(header->sequence, kSequence);
    EXPECT_EQ(header->durable, kSequence - 1);
    EXPECT_EQ(header->used, 2U);
    EXPECT_EQ(load_slot(block, 0).chunk, 5U);
    EXPECT_EQ(load_slot(block, 0).location, 77U);
}

TEST(JournalTest, TornAndMisplacedBlocksAreRefused)
{
    const Superblock sb = example();
    const Block place = journal_block_of(sb.ring, kSequence);
    const auto older = journal_block(sb, kSequence - sb.ring.count);
    const auto block = journal_block(sb, kSequence);
    EXPECT_FALSE(unpack_journal_block(block, sb, place + 1));
    for (std::size_t torn = 512; torn < block.size(); torn += 512) { // zeros after the second record
        auto mixed = block;
        std::copy(older.begin(), older.begin() + static_cast<std::ptrdiff_t>(torn), mixed.begin());
        const auto header = unpack_journal_block(mixed, sb, place);
        EXPECT_TRUE(!header || header->sequence == kSequence - sb.ring.count);
    }
    for (std::size_t i = 0; i < block.size(); ++i) {
        auto bad = block;
        bad[i] ^= std::byte{1};
        EXPECT_FALSE(unpack_journal_block(bad, sb, place)) << i;
    }
}

TEST(JournalTest, MalformedRecordsAreRefused)
{
    const Superblock sb = example();
    std::mt19937_64 random(12);
    const Block place = journal_block_of(sb.ring, kSequence);
    for (int i = 0; i < 20'000; ++i) {
        auto block = journal_block(sb, kSequence);
        const auto used = static_cast<std::uint16_t>(random() % 200);
        for (std::size_t slot = 0; slot < kSlotsPerBlock; ++slot) {
            const std::size_t at = sizeof(journal_header_disk) + slot * sizeof(record_disk);
            block[at] = static_cast<std::byte>(random() % 12);
            block[at + 1] = static_cast<std::byte>(random() % 9);
        }
        store_disk(block, le16{used}, offsetof(journal_header_disk, used));
        seal_block(block, kJournalMagic, place, uuid_prefix(sb.uuid), kSequence.value);
        const auto header = unpack_journal_block(block, sb, place);
        if (header) { // then its records can be walked safely
            std::size_t slot = 0;
            while (slot < header->used) {
                ASSERT_GT(load_slot(block, slot).slots, 0);
                slot += load_slot(block, slot).slots;
            }
            EXPECT_EQ(slot, header->used);
        }
    }
}

// The format is what the stored samples say. SNAPSTORE_WRITE_SAMPLES=1 makes them anew: only on a change of
// the format's version.
TEST(SampleTest, WhatIsKnownOfTheOriginIsUnderstood)
{
    Superblock sb = example();
    sb.origin.record.set_identity("wwid=naa.5000c500a1b2c3d4 fs=0a1b2c3d-0000-4000-8000-123456789abc");
    sb.origin.record.samples.front() = OriginSample{OriginBlock{0x123456789}, 7, 0xdeadbeef};
    sb.origin.record.samples.back() = OriginSample{OriginBlock{3}, 9, 0x01020304};
    const auto block = zumastor::test::sample("superblock-origin.hex", packed(sb));
    const auto unpacked = unpack_superblock(block, sb.home());
    ASSERT_TRUE(unpacked);
    EXPECT_EQ(*unpacked, sb);
    EXPECT_EQ(block, packed(sb));
}

TEST(SampleTest, SuperblockIsUnderstood)
{
    const auto block = zumastor::test::sample("superblock.hex", packed(example()));
    const auto sb = unpack_superblock(block, example().home());
    ASSERT_TRUE(sb) << sb.error().what;
    EXPECT_EQ(*sb, example());
    EXPECT_EQ(block, packed(example()));
}

TEST(SampleTest, JournalBlockIsUnderstood)
{
    const Superblock sb = example();
    const auto block = zumastor::test::sample("journal.hex", journal_block(sb, kSequence));
    ASSERT_TRUE(unpack_journal_block(block, sb, journal_block_of(sb.ring, kSequence)));
    EXPECT_EQ(block, journal_block(sb, kSequence));
}

} // namespace
} // namespace snapstore
