// SPDX-License-Identifier: GPL-2.0
// A metadata device that becomes smaller: what lay beyond its new end, what crashes leave, when it is
// refused.
#include <cstring>

#include <gtest/gtest.h>

#include "format/superblock.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

constexpr std::uint64_t kVolumeChunks = 1024; // of 4 KiB
constexpr std::uint64_t kBlock = 4096;

class ShrinkMetaTest : public testing::Test {
protected:
    ShrinkMetaTest() { open_new(); }

    void open_new(std::uint64_t seed = 7)
    {
        WorldConfig config;
        config.origin = Bytes{kVolumeChunks * kBlock};
        config.store = Bytes{12ULL << 20};
        config.meta = Bytes{8ULL << 20};
        world = std::make_unique<SimWorld>(seed, config);
        std::memset(world->origin().content().data(), 1, kVolumeChunks * kBlock);
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
        whole_ = store().info().meta_size.value;
        // Snapshot 0 is what the test looks at: all of it is in the store, and its exceptions in many nodes.
        ASSERT_TRUE(create(0));
        write(0, kVolumeChunks);
    }
    Store& store() { return world->store(); }
    Result<SnapshotInfo> create(std::uint64_t id)
    {
        CreateOptions options;
        options.id = SnapshotId{id};
        return world->run(store().snapshots().create(options));
    }
    void write(std::uint64_t first, std::uint64_t count)
    {
        for (std::uint64_t c = first; c < first + count; c += 64) {
            const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(64, first + count - c));
            const auto done = world->run(store().origin().write({Chunk{c}, part}));
            ASSERT_TRUE(done) << done.error().what;
            std::memset(&world->origin().content()[c * kBlock], 2, part * kBlock);
        }
    }
    Superblock newest()
    {
        const auto disk = world->meta_disk().content();
        return *choose_superblock(disk.subspan(block_offset(kSuperblockBlock[0]).value, kBlock),
                                  disk.subspan(block_offset(kSuperblockBlock[1]).value, kBlock));
    }
    // Every leaf changes, and both tables.
    void churn(std::uint64_t id)
    {
        ASSERT_TRUE(create(id));
        for (std::uint64_t c = id % 40; c < kVolumeChunks; c += 40) {
            write(c, 1);
        }
        ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
        ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{id})));
        world->run(store().upkeep().quiesce());
    }
    // Until root and table are beyond this byte of the device.
    void fill_end(std::uint64_t from)
    {
        std::uint64_t id = 1;
        const auto beyond = [&](Block block) { return block_offset(block).value >= from; };
        while (!beyond(newest().tree.root) || !beyond(newest().snapshot_table.head)) {
            ASSERT_LT(id, 1000U);
            churn(id++);
        }
    }
    Result<void> resize(std::uint64_t size) { return world->run(store().space().resize_meta(Bytes{size})); }
    // Somebody else has what the store does not reach any more.
    void give_end_away()
    {
        const auto disk = world->meta_disk().content();
        const std::uint64_t end = store().info().meta_size.value;
        std::memset(&disk[end], 0xee, disk.size() - end);
    }
    void reopen()
    {
        ASSERT_TRUE(world->close());
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what;
    }
    void expect_intact(const std::string& when)
    {
        std::array<Extent, 1> out;
        for (std::uint64_t c = 0; c < kVolumeChunks; ++c) {
            ASSERT_TRUE(world->run(store().snapshots().read(SnapshotId{0}, {Chunk{c}, 1}, out))) << when;
            ASSERT_EQ(out[0].kind, Extent::Kind::store) << when << ", chunk " << c;
            ASSERT_EQ(world->store_disk().content()[out[0].sector.value * 512], std::byte{1})
                << when << ", chunk " << c;
        }
        const auto report = world->run(store().upkeep().check(true));
        ASSERT_TRUE(report) << when;
        EXPECT_TRUE(report->damage.empty()) << when << ": " << report->damage.listed().front().what;
    }
    std::uint64_t least()
    {
        const auto refused = resize(256ULL << 10);
        EXPECT_EQ(refused.error().code, Errc::no_space);
        return refused.error().where;
    }

    std::uint64_t whole_ = 0; // bytes of the device
    std::unique_ptr<SimWorld> world;
};

TEST_F(ShrinkMetaTest, WhatLiesBeyondTheEndIsWrittenElsewhere)
{
    const std::uint64_t end = least();
    ASSERT_LT(end, whole_ / 2) << "there is something to take away";
    fill_end(end);
    ASSERT_TRUE(resize(end));
    EXPECT_EQ(store().info().meta_size.value, end);
    EXPECT_EQ(block_offset(newest().zone.end()).value, end);
    give_end_away();
    expect_intact("afterwards");
    reopen();
    give_end_away();
    expect_intact("opened again");
    for (std::uint64_t id = 1; id < 60; ++id) { // the zone is gone through more than once
        churn(id);
    }
    EXPECT_EQ(store().counters().squashed, 0U);
    expect_intact("used further");
    ASSERT_TRUE(resize(whole_));
    reopen();
    expect_intact("grown again, over what others have left there");
    EXPECT_EQ(store().info().meta_size.value, whole_);
}

TEST_F(ShrinkMetaTest, RefusedBelowWhatTheStoreNeeds)
{
    const std::uint64_t end = least();
    EXPECT_EQ(resize(end - kBlock).error().code, Errc::no_space);
    EXPECT_EQ(store().info().meta_size.value, whole_);
    EXPECT_TRUE(resize(end + kBlock - 512)) << "whole blocks count";
    EXPECT_EQ(store().info().meta_size.value, end);
    EXPECT_TRUE(resize(end));
    WorldConfig config;
    world = std::make_unique<SimWorld>(1, config);
    ASSERT_TRUE(world->initialize());
    ASSERT_TRUE(world->open());
    EXPECT_EQ(resize(1ULL << 20).error().code, Errc::unsupported) << "it has no device of its own";
    EXPECT_EQ(store().info().meta_size.value, 0U);
}

// Writes, snapshots and checkpoints go on; the daemon may be stopped in the middle.
TEST_F(ShrinkMetaTest, OthersGoOnMeanwhile)
{
    const std::uint64_t end = least();
    int stopped = 0;
    for (std::uint64_t round = 0; round < 40; ++round) {
        fill_end(end);
        SimWorld::Running running;
        world->begin(store().space().resize_meta(Bytes{end}), running);
        for (std::uint64_t steps = round % 12; steps > 0 && !running.ended; --steps) {
            world->step();
        }
        if (round % 2 == 0 && !running.ended) {
            const auto again = resize(end); // it may have to wait until the first has ended
            EXPECT_TRUE(again || again.error().code == Errc::busy) << again.error().what;
        }
        if (round % 4 == 3) {
            store().space().stop_shrinking();
        }
        churn(2000 + round);
        world->finish(running);
        if (!running.result) {
            ++stopped;
            EXPECT_EQ(running.result.error().code, Errc::stopping) << running.result.error().what;
            EXPECT_EQ(store().info().meta_size.value, whole_);
        } else {
            EXPECT_EQ(store().info().meta_size.value, end);
            give_end_away();
        }
        expect_intact("round " + std::to_string(round));
        ASSERT_TRUE(resize(whole_));
    }
    EXPECT_GT(stopped, 3);
    EXPECT_EQ(store().counters().squashed, 0U);
}

// The power fails in the middle: the old length or the new one, and nothing is lost.
TEST_F(ShrinkMetaTest, CrashLeavesTheOldOrTheNewLength)
{
    int old_sizes = 0;
    int new_sizes = 0;
    open_new(100);
    const std::uint64_t end = least();
    for (std::uint64_t seed = 1; seed <= 120; ++seed) {
        fill_end(end);
        SimWorld::Running running;
        SimWorld::Running writing;
        world->begin(store().space().resize_meta(Bytes{end}), running);
        world->begin(store().origin().write({Chunk{seed}, 30}), writing);
        for (std::uint64_t steps = seed % 30; steps > 0 && !running.ended; --steps) {
            world->pump();
        }
        const bool answered = running.ended && running.result;
        world->power_cut();
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what << ", seed " << seed;
        const std::uint64_t now = store().info().meta_size.value;
        ASSERT_TRUE(now == end || (now == whole_ && !answered)) << now << ", seed " << seed;
        ++(now == end ? new_sizes : old_sizes);
        give_end_away();
        expect_intact("seed " + std::to_string(seed));
        ASSERT_TRUE(resize(end)) << "again, seed " << seed;
        give_end_away();
        expect_intact("again, seed " + std::to_string(seed));
        ASSERT_TRUE(resize(whole_));
    }
    EXPECT_GT(old_sizes, 20);
    EXPECT_GT(new_sizes, 20);
}

} // namespace
} // namespace zumastor::test
