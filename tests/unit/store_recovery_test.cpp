// SPDX-License-Identifier: GPL-2.0
// Opening after a crash, where memory was ahead of the disk, or the disk has lost something: a store that holds
// all that was acknowledged opens, and one that does not says so.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "block.h"
#include "journal.h"
#include "snapshot_table.h"
#include "superblock.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

class RecoveryTest : public testing::Test {
protected:
    void begin(std::uint64_t seed, const WorldConfig& config)
    {
        world = std::make_unique<SimWorld>(seed, config);
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    Store& store() { return world->store(); }
    Result<SnapshotInfo> create() { return world->run(store().create({})); }
    Result<void> write(std::uint64_t chunk, std::uint32_t count = 1)
    {
        const std::uint64_t bytes = std::uint64_t{1} << world->config().chunk_shift;
        const auto content = world->origin().content().subspan(chunk * bytes, count * bytes);
        const auto done = world->run(store().origin_write({Chunk{chunk}, count}));
        std::fill(content.begin(), content.end(), static_cast<std::byte>(chunk + 1));
        return done;
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
        ASSERT_TRUE(world->run(store().remove(store().list().front().id)));
        world->drain();
        ASSERT_TRUE(store().info().sweeping);
        while (store().info().sweeping) {
            store().tick(true);
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
        EXPECT_EQ(store().list().size(), most);
        EXPECT_TRUE(store().find(fresh->id));
        EXPECT_EQ(create().error().code, Errc::no_space);
        const auto checked = world->run(store().check(true));
        ASSERT_TRUE(checked);
        EXPECT_TRUE(checked->damage.empty());
    }
}

// What earlier versions left behind: the table on disk is full, the journal deletes one and takes another.
TEST_F(LimitTest, AStoreOfAnEarlierVersionOpens)
{
    take_all(1);
    ASSERT_TRUE(write(3, 8));
    ASSERT_TRUE(world->run(store().checkpoint()));
    const SnapshotInfo first = store().list().front();
    const Epoch epoch = store().epoch();
    world->kill();
    const auto copies = [&](int i) {
        return world->store_disk().content().subspan(block_offset(kSuperblockBlock[i]), kBlockSize.value);
    };
    const auto sb = choose_superblock(copies(0), copies(1));
    ASSERT_TRUE(sb);
    ASSERT_EQ(sb->snapshot_count, most);
    const auto block = world->store_disk().content().subspan(
        block_offset(journal_block_of(sb->journal, sb->journal_start)), kBlockSize.value);
    std::fill(block.begin(), block.end(), std::byte{0});
    Snapshot fresh;
    fresh.info.id = SnapshotId{5000};
    fresh.info.epoch = epoch;
    fresh.info.size = sb->origin_size;
    constexpr std::size_t kSlot = sizeof(record_disk);
    store_disk(block, make_record(RecordType::remove, first.epoch), sizeof(journal_header_disk));
    store_disk(block, make_record(RecordType::create, epoch), sizeof(journal_header_disk) + kSlot);
    store_disk(block, pack_snapshot(fresh), sizeof(journal_header_disk) + 2 * kSlot);
    seal_journal_block(block, *sb,
                       {sb->journal_start, sb->incarnation, sb->journal_start - 1, sb->generation,
                        static_cast<std::uint16_t>(1 + kCreateSlots)});
    const auto opened = world->open();
    ASSERT_TRUE(opened) << opened.error().what;
    EXPECT_EQ(store().list().size(), most);
    EXPECT_TRUE(store().find(fresh.info.id));
    EXPECT_FALSE(store().find(first.id));
    world->kill();
    ASSERT_TRUE(world->open());
    const auto checked = world->run(store().check(true));
    ASSERT_TRUE(checked);
    EXPECT_TRUE(checked->damage.empty());
}

} // namespace
} // namespace zumastor::test
