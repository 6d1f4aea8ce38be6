// SPDX-License-Identifier: GPL-2.0
// Opening after a crash, where memory was ahead of the disk, or the disk has lost something: a store that
// holds all that was acknowledged opens, and one that does not says so.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "format/block.h"
#include "format/journal.h"
#include "format/superblock.h"
#include "index/snapshot_table.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

class RecoveryTest : public testing::Test {
protected:
    void begin(std::uint64_t seed, const WorldConfig& config)
    {
        world = std::make_unique<SimWorld>(seed, config);
        const auto content = world->origin().content();
        std::fill(content.begin(), content.end(), std::byte{0x77}); // zeros would need no store
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    Store& store() { return world->store(); }
    Result<SnapshotInfo> create() { return world->run(store().snapshots().create({})); }
    Result<void> write(std::uint64_t chunk, std::uint32_t count = 1)
    {
        const std::uint64_t bytes = std::uint64_t{1} << world->config().chunk_shift;
        const auto content = world->origin().content().subspan(chunk * bytes, count * bytes);
        const auto done = world->run(store().origin().write({Chunk{chunk}, count}));
        std::fill(content.begin(), content.end(), static_cast<std::byte>(chunk + 1));
        return done;
    }

    static Task<Result<void>> open_only(FramePool&, Store& opening)
    {
        const auto report = co_await opening.open();
        co_return report ? Result<void>{} : tl::unexpected(report.error());
    }

    std::unique_ptr<SimWorld> world;
};

// ---- the limit of snapshots -------------------------------------------------------------------

WorldConfig few_snapshots()
{
    WorldConfig config;
    config.chunk_shift = 14;
    config.store = Bytes{6ULL << 20};
    return config;
}

class LimitTest : public RecoveryTest {
protected:
    void take_all(std::uint64_t seed)
    {
        begin(seed, few_snapshots());
        auto last = create();
        for (most = 0; last; ++most) {
            last = create();
        }
        ASSERT_EQ(last.error().code, Errc::no_space);
        ASSERT_EQ(most, last.error().where);
    }
    // The sweep of the deleted one ends in memory; no I/O of what it begins has ended.
    void free_a_slot()
    {
        ASSERT_TRUE(world->run(store().snapshots().remove(store().snapshots().list().front().id)));
        world->drain();
        ASSERT_TRUE(store().info().sweeping);
        while (store().info().sweeping) {
            store().upkeep().tick(true);
        }
    }

    std::uint64_t most = 0;
};

TEST_F(LimitTest, ACrashAfterTheLastSlotIsTakenAgainLosesNothing)
{
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        take_all(seed);
        free_a_slot();
        const auto fresh = create();
        ASSERT_TRUE(fresh) << fresh.error().what;
        seed % 2 == 0 ? world->kill() : world->power_cut();
        const auto opened = world->open();
        ASSERT_TRUE(opened) << seed << ": " << opened.error().what;
        EXPECT_EQ(store().snapshots().list().size(), most);
        EXPECT_TRUE(store().snapshots().find(fresh->id));
        EXPECT_EQ(create().error().code, Errc::no_space);
        const auto checked = world->run(store().upkeep().check(true));
        ASSERT_TRUE(checked);
        EXPECT_TRUE(checked->damage.empty());
    }
}

// What earlier versions left behind: the table on disk is full, the journal deletes one and takes another.
TEST_F(LimitTest, AStoreOfAnEarlierVersionOpens)
{
    take_all(1);
    ASSERT_TRUE(write(3, 8));
    ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
    const SnapshotInfo first = store().snapshots().list().front();
    const Epoch epoch = store().epoch();
    world->kill();
    const auto copies = [&](int i) {
        return world->store_disk().content().subspan(block_offset(kSuperblockBlock[i]).value,
                                                     kBlockSize.value);
    };
    const auto sb = choose_superblock(copies(0), copies(1));
    ASSERT_TRUE(sb);
    ASSERT_EQ(sb->snapshot_table.count, most);
    const auto block = world->store_disk().content().subspan(
        block_offset(journal_block_of(sb->ring, sb->journal.start)).value, kBlockSize.value);
    std::fill(block.begin(), block.end(), std::byte{0});
    Snapshot fresh;
    fresh.info.id = SnapshotId{5000};
    fresh.info.epoch = epoch;
    fresh.info.size = sb->origin.size;
    constexpr std::size_t kSlot = sizeof(record_disk);
    store_disk(block, make_record(RecordType::remove, first.epoch), sizeof(journal_header_disk));
    store_disk(block, make_record(RecordType::create, epoch), sizeof(journal_header_disk) + kSlot);
    store_disk(block, pack_snapshot(fresh), sizeof(journal_header_disk) + 2 * kSlot);
    seal_journal_block(block, *sb,
                       {sb->journal.start, sb->journal.incarnation, sb->journal.start - 1, sb->generation,
                        static_cast<std::uint16_t>(1 + kCreateSlots)});
    const auto opened = world->open();
    ASSERT_TRUE(opened) << opened.error().what;
    EXPECT_EQ(store().snapshots().list().size(), most);
    EXPECT_TRUE(store().snapshots().find(fresh.info.id));
    EXPECT_FALSE(store().snapshots().find(first.id));
    world->kill();
    ASSERT_TRUE(world->open());
    const auto checked = world->run(store().upkeep().check(true));
    ASSERT_TRUE(checked);
    EXPECT_TRUE(checked->damage.empty());
}

// ---- stopping while it opens -------------------------------------------------------------------

TEST_F(RecoveryTest, OpeningCanBeStoppedAtEachIoAndWritesNothing)
{
    WorldConfig config;
    config.journal = Bytes{64ULL << 10};
    begin(5, config);
    ASSERT_TRUE(create());
    for (std::uint64_t chunk = 0; chunk < 200; chunk += 20) {
        ASSERT_TRUE(write(chunk, 7));
    }
    ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
    ASSERT_TRUE(write(10, 3));
    const std::uint64_t exceptions = store().info().exceptions;
    world->kill();
    unsigned stopped = 0;
    for (int steps = 0;; ++steps) {
        for (SimDisk* disk : {&world->origin(), &world->store_disk()}) {
            disk->restore();
        }
        const std::uint64_t writes = world->store_disk().counters().writes;
        Store opening(world->devices(), config.store_config, *world);
        SimWorld::Running running;
        world->begin(open_only(world->frames(), opening), running);
        for (int i = 0; i < steps && !running.ended; ++i) {
            world->pump();
        }
        if (running.ended) {
            ASSERT_TRUE(running.result) << running.result.error().what;
            break;
        }
        opening.stop_opening();
        const bool reading = world->store_disk().counters().writes == writes;
        world->drain();
        ASSERT_TRUE(running.ended);
        if (!running.result) {
            ++stopped;
            EXPECT_EQ(running.result.error().code, Errc::stopping);
            EXPECT_TRUE(reading);
            EXPECT_EQ(world->store_disk().counters().writes, writes);
        }
    }
    EXPECT_GT(stopped, 5U);
    ASSERT_TRUE(world->open());
    EXPECT_EQ(store().info().exceptions, exceptions);
}

// ---- what the journal's last blocks prove ------------------------------------------------------

class JournalEndTest : public RecoveryTest {
protected:
    // Two snapshots, and more commits than the ring has blocks. The power is off, all of it is on disk.
    void commit_much(bool sealed)
    {
        WorldConfig config;
        config.journal = Bytes{64ULL << 10};
        begin(3, config);
        ASSERT_TRUE(create());
        for (std::uint64_t chunk = 0; chunk < 20; ++chunk) {
            ASSERT_TRUE(write(chunk));
        }
        ASSERT_TRUE(create());
        ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
        ASSERT_TRUE(write(5));
        ASSERT_TRUE(write(30));
        if (sealed) {
            store().upkeep().tick();
            world->drain();
        }
        exceptions = store().info().exceptions;
        world->power_cut();
        sb = *choose_superblock(block(kSuperblockBlock[0]), block(kSuperblockBlock[1]));
        std::copy_n(world->store_disk().content().begin(), saved.size(), saved.begin());
    }
    std::span<std::byte> block(Block number)
    {
        return world->store_disk().content().subspan(block_offset(number).value, kBlockSize.value);
    }
    // The first block of the journal that was not written.
    Sequence header_end()
    {
        Sequence end = sb.journal.start;
        for (auto h = header(end); h && h->sequence == end && h->incarnation == sb.journal.incarnation;
             h = header(end)) {
            ++end;
        }
        return end;
    }
    // The block of the ring that is so many before it.
    Block from_end(std::uint64_t before) { return journal_block_of(sb.ring, header_end() - before); }
    Result<JournalHeader> header(Sequence sequence)
    {
        const Block number = journal_block_of(sb.ring, sequence);
        return unpack_journal_block(block(number), sb, number);
    }
    // Everything as it was after the power cut.
    void restore()
    {
        world->power_cut();
        world->store_disk().heal();
        std::copy(saved.begin(), saved.end(), world->store_disk().content().begin());
    }
    // Is all there that was acknowledged?
    bool complete()
    {
        return store().snapshots().list().size() == 2 && store().info().exceptions == exceptions;
    }

    Superblock sb;
    std::uint64_t exceptions = 0;
    std::vector<std::byte> saved = std::vector<std::byte>(8ULL << 20);
};

TEST_F(JournalEndTest, AFlippedBitInTheLastCommitIsNoticed)
{
    commit_much(true);
    const Block last = from_end(2); // the last one but the seal
    for (const std::size_t at : {0U, 30U, 70U, 90U, 4000U}) {
        block(last)[at] ^= std::byte{4};
        const auto opened = world->open();
        ASSERT_FALSE(opened) << at;
        EXPECT_EQ(opened.error().code, Errc::corrupt);
        EXPECT_EQ(opened.error().where, block_offset(last).value);
        restore();
    }
    ASSERT_TRUE(world->open());
    EXPECT_TRUE(complete());
}

TEST_F(JournalEndTest, TheSealItselfMayBeLost)
{
    commit_much(true);
    block(from_end(1))[100] ^= std::byte{4};
    ASSERT_TRUE(world->open());
    EXPECT_TRUE(complete());
}

// One seal a commit, and none while more is to come.
TEST_F(JournalEndTest, AnIdleStoreWritesNothing)
{
    commit_much(true);
    ASSERT_TRUE(world->open());
    for (const int commits : {0, 1}) {
        if (commits > 0) {
            ASSERT_TRUE(write(40));
        }
        const std::uint64_t before = store().counters().journal_blocks;
        for (int i = 0; i < 100; ++i) {
            store().upkeep().tick();
            world->drain();
        }
        EXPECT_EQ(store().counters().journal_blocks, before + static_cast<unsigned>(commits));
    }
}

// The ring cannot become full of seals.
TEST_F(JournalEndTest, SealsMakeRoomForThemselves)
{
    commit_much(true);
    ASSERT_TRUE(world->open());
    for (std::uint64_t i = 0; i < 100; ++i) {
        ASSERT_TRUE(world->run(store().snapshots().set_priority(SnapshotId{1}, static_cast<std::int8_t>(i))));
        store().upkeep().tick();
        world->drain();
    }
    world->kill();
    ASSERT_TRUE(world->open());
    EXPECT_EQ(store().snapshots().find(SnapshotId{1})->priority, 99);
}

TEST_F(JournalEndTest, OneUnreadableBlockHidesNothingThatWasAcknowledged)
{
    for (const bool sealed : {false, true}) {
        commit_much(sealed);
        const Block last = from_end(sealed ? 2 : 1);
        unsigned opens = 0;
        for (std::uint64_t i = 0; i < sb.ring.count; ++i) {
            const Block number = sb.ring.first + i;
            const auto h = unpack_journal_block(block(number), sb, number);
            const bool needed =
                h && h->incarnation == sb.journal.incarnation && h->sequence >= sb.journal.start;
            world->store_disk().spoil_reads(block_offset(number).value + 512 * (i % 8));
            const auto opened = world->open();
            opens += opened ? 1U : 0U;
            if (needed && h->used > 0 && !(number == last && !sealed)) {
                ASSERT_FALSE(opened) << i;
                EXPECT_EQ(opened.error().code, Errc::corrupt);
            } else {
                ASSERT_TRUE(opened) << i << ": " << opened.error().what;
                EXPECT_EQ(complete(), number != last) << i;
                ASSERT_TRUE(write(50)); // over the bad block, too
                world->kill();
                ASSERT_TRUE(world->open());
            }
            restore();
        }
        EXPECT_GT(opens, sb.ring.count / 2);
    }
}

// A commit and what would prove it: nobody can tell whether it was acknowledged.
TEST_F(JournalEndTest, TwoUnreadableBlocksAtTheEndAreRefused)
{
    commit_much(true);
    for (const std::uint64_t before : {2U, 1U, 0U}) {
        world->store_disk().spoil_reads(block_offset(from_end(before)).value);
        world->store_disk().spoil_reads(
            block_offset(journal_block_of(sb.ring, header_end() - before + 1)).value);
        const auto opened = world->open();
        ASSERT_FALSE(opened) << before;
        EXPECT_EQ(opened.error().code, Errc::io_error);
        restore();
    }
    ASSERT_TRUE(world->open());
    EXPECT_TRUE(complete());
}

// What has not been written yet need not be readable.
TEST_F(JournalEndTest, UnreadableBlocksElsewhereDoNotMatter)
{
    commit_much(true);
    for (std::uint64_t ahead = 1; ahead < 5; ++ahead) {
        world->store_disk().spoil_reads(block_offset(journal_block_of(sb.ring, header_end() + ahead)).value);
    }
    ASSERT_TRUE(world->open());
    EXPECT_TRUE(complete());
}

TEST_F(JournalEndTest, ARingThatCannotBeReadIsRefused)
{
    commit_much(true);
    for (Block number = sb.ring.first; number < sb.ring.end(); ++number) {
        world->store_disk().spoil_reads(block_offset(number).value);
    }
    const auto opened = world->open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::io_error);
}

// The data of a commit that nobody was told of, as far as the disk knows; and of one that was.
TEST_F(JournalEndTest, AnUnreadableChunkOfTheTailIsATornOne)
{
    for (const bool sealed : {false, true}) {
        commit_much(sealed);
        const record_disk record = load_slot(block(from_end(sealed ? 2 : 1)), 0);
        ASSERT_EQ(record.type, static_cast<std::uint8_t>(RecordType::add_shared));
        world->store_disk().spoil_reads(sb.store_offset(StoreChunk{record.location}).value);
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what;
        EXPECT_EQ(opened->discarded_blocks, sealed ? 0U : 1U);
        EXPECT_EQ(complete(), sealed);
        std::array<Extent, 1> out;
        const auto read = world->run(store().snapshots().read(SnapshotId{1}, {Chunk{30}, 1}, out));
        EXPECT_EQ(read.has_value(), !sealed);
        EXPECT_TRUE(read || read.error().code == Errc::io_error);
    }
}

// ---- nodes after a replay ---------------------------------------------------------------------

// The sweep is not in the journal. It empties full leaves a little, and insertions fill them again; a replay,
// which has the insertions only, splits every one of them.
TEST_F(RecoveryTest, ReplayFindsRoomForSplitsThatASweepHadAvoided)
{
    constexpr std::uint64_t kLeaf = 147; // entries that an ascending load leaves in a leaf: tree_modify.cpp
    constexpr std::uint32_t kRest = 21;  // until it is full
    constexpr std::uint64_t kLeaves = 400;
    constexpr std::uint64_t kSwept = 350; // of them; more would take a checkpoint
    WorldConfig config;
    config.origin = Bytes{kLeaf * kLeaves * 4096};
    config.store = Bytes{2ULL << 20};
    config.meta = Bytes{32ULL << 20};
    config.journal = Bytes{16ULL << 20};
    config.store_config.node_cache = Bytes{8ULL << 20};
    world = std::make_unique<SimWorld>(1, config);
    ASSERT_TRUE(world->initialize() && world->open());
    ASSERT_TRUE(create());
    for (std::uint64_t c = 0; c < kLeaf * kLeaves; c += kLeaf) {
        ASSERT_TRUE(world->run(store().origin().write({Chunk{c}, kLeaf})));
    }
    const auto fill_leaves = [&](std::uint64_t leaves) {
        for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
            const auto done = world->run(store().origin().write({Chunk{leaf * kLeaf}, kRest}));
            ASSERT_TRUE(done) << done.error().what;
        }
    };
    const auto victim = create();
    ASSERT_TRUE(victim);
    fill_leaves(kLeaves);
    // As small a zone as this tree may have.
    const auto least = world->run(store().space().resize_meta(Bytes{1}));
    ASSERT_EQ(least.error().code, Errc::no_space);
    ASSERT_TRUE(
        world->run(store().space().resize_meta(Bytes{least.error().where + 32 * std::uint64_t{4096}})));

    ASSERT_TRUE(world->run(store().snapshots().remove(victim->id)));
    world->drain();
    const auto swept = [&] { return store().counters().swept_entries; };
    for (std::uint64_t before = ~std::uint64_t{0}; swept() < kSwept * kRest && swept() != before;) {
        before = swept();
        store().upkeep().tick(true);
    }
    ASSERT_TRUE(create());
    fill_leaves(kSwept);
    world->power_cut();
    const auto opened = world->open();
    ASSERT_TRUE(opened) << opened.error().what;
    EXPECT_TRUE(world->run(store().upkeep().check(true))->damage.empty());
}

} // namespace
} // namespace zumastor::test
