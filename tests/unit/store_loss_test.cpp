// SPDX-License-Identifier: GPL-2.0
// Origin first and snapshot first, case by case: what becomes of the snapshots when the store fails or is
// full, and that a loss is never forgotten. The loops over all I/Os are in store_errors_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

WorldConfig with_witness(bool snapshot_first = false)
{
    WorldConfig config;
    config.witness = true;
    config.store_config.snapshot_first = snapshot_first;
    return config;
}

class LossTest : public testing::Test {
protected:
    void begin(const WorldConfig& config)
    {
        world = std::make_unique<SimWorld>(7, config);
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    SnapshotId take(std::int8_t priority = 0)
    {
        CreateOptions options;
        options.priority = priority;
        const auto info = world->run(world->store().snapshots().create(options));
        EXPECT_TRUE(info) << info.error().what;
        return info ? info->id : SnapshotId{};
    }
    Result<void> write(std::uint64_t chunk, std::uint32_t count = 1)
    {
        const auto content = world->origin().content().subspan(chunk * 4096, count * 4096ULL);
        std::fill(content.begin(), content.end(), std::byte{1}); // not zeros, which need no store
        return world->run(world->store().origin().write({Chunk{chunk}, count}));
    }
    SnapshotState state_of(SnapshotId id)
    {
        const auto state = world->store().snapshots().state_of(id);
        EXPECT_TRUE(state);
        return state.value_or(SnapshotState::normal);
    }
    std::unique_ptr<SimWorld> world;
};

// The heart of it: with the device back, and after any end of the daemon.
TEST_F(LossTest, LostSnapshotsAreNeverValidAgain)
{
    for (const bool power : {false, true}) {
        begin(with_witness());
        const SnapshotId id = take();
        const SnapshotId newest = take(-5);
        world->store_disk().fail_request(1, true);
        ASSERT_TRUE(write(3)); // without a copy
        EXPECT_TRUE(world->store().info().given_up);
        EXPECT_EQ(world->squashed_ids.size(), 2U);
        EXPECT_TRUE(world->store().origin().no_snapshots());
        world->store_disk().fail_request(0);
        power ? world->power_cut() : world->kill();
        const auto report = world->open();
        ASSERT_TRUE(report);
        EXPECT_EQ(report->lost, 2U);
        EXPECT_EQ(state_of(id), SnapshotState::squashed);
        EXPECT_EQ(state_of(newest), SnapshotState::squashed);
        // What is taken from then on is valid, and stays so.
        const SnapshotId fresh = take();
        ASSERT_TRUE(write(4));
        world->kill();
        const auto again = world->open();
        ASSERT_TRUE(again);
        EXPECT_EQ(again->lost, 0U);
        EXPECT_EQ(state_of(fresh), SnapshotState::normal);
        EXPECT_EQ(state_of(id), SnapshotState::squashed);
    }
}

// The record itself, under power cuts at each of the I/Os that follow the failure; and while the next life
// takes it over.
TEST_F(LossTest, TheRecordSurvivesPowerCutsAtAnyInstant)
{
    bool granted = false;
    for (int steps = 0; !granted; ++steps) {
        begin(with_witness());
        const SnapshotId id = take();
        world->store_disk().fail_request(1, true);
        std::optional<bool> done;
        const auto task = [](FramePool&, SimWorld& in, std::optional<bool>& ended) -> Task<void> {
            ended = (co_await in.store().origin().write({Chunk{2}, 1})).has_value();
        };
        spawn(world->frames(), task(world->frames(), *world, done));
        for (int i = 0; i < steps && !done; ++i) {
            world->step();
        }
        granted = done.has_value();
        world->store_disk().fail_request(0);
        world->power_cut();
        for (std::uint64_t life = 1; life <= 40; ++life) { // each ends while it opens
            world->store_disk().fail_request(life, true);
            (void)world->open();
            world->store_disk().fail_request(0);
            world->power_cut();
        }
        ASSERT_TRUE(world->open());
        if (granted) {
            EXPECT_EQ(state_of(id), SnapshotState::squashed) << steps;
        }
    }
}

TEST_F(LossTest, ACreateThatFailsWithTheStoreIsLostToo)
{
    begin(with_witness());
    // The record reaches the disk, its flush fails: nobody knows.
    world->store_disk().fail_request(2, true);
    EXPECT_FALSE(world->run(world->store().snapshots().create({})));
    ASSERT_TRUE(world->store().info().failed);
    ASSERT_TRUE(world->run(world->store().origin().give_up()));
    world->store_disk().fail_request(0);
    world->kill();
    ASSERT_TRUE(world->open());
    EXPECT_TRUE(world->store().origin().no_snapshots());
}

TEST_F(LossTest, APinnedSnapshotMakesTheWriteFail)
{
    begin(with_witness());
    const SnapshotId other = take();
    const SnapshotId pinned = take(127);
    world->store_disk().fail_request(1, true);
    const auto done = write(1);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::failed);
    world->store_disk().fail_request(0);
    world->kill();
    ASSERT_TRUE(world->open());
    EXPECT_EQ(state_of(other), SnapshotState::normal);
    EXPECT_EQ(state_of(pinned), SnapshotState::normal);
}

TEST_F(LossTest, SnapshotFirstFailsTheWrite)
{
    begin(with_witness(true));
    const SnapshotId id = take();
    world->store_disk().fail_request(1, true);
    const auto done = write(1);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::failed);
    EXPECT_FALSE(world->run(world->store().origin().give_up()));
    EXPECT_EQ(state_of(id), SnapshotState::normal);
    world->store_disk().fail_request(0);
    world->kill();
    ASSERT_TRUE(world->open());
    EXPECT_EQ(state_of(id), SnapshotState::normal);
}

TEST_F(LossTest, SnapshotFirstSquashesNothingInAFullStore)
{
    WorldConfig config = with_witness(true);
    config.origin = Bytes{4ULL << 20};
    config.store = Bytes{3ULL << 20};
    config.journal = Bytes{64ULL << 10};
    begin(config);
    const SnapshotId id = take();
    Result<void> done;
    for (std::uint64_t chunk = 0; done && chunk < 1024; chunk += 16) {
        const auto content = world->origin().content().subspan(chunk * 4096, std::size_t{16} * 4096);
        std::fill(content.begin(), content.end(), std::byte{1});
        done = world->run(world->store().origin().write({Chunk{chunk}, 16}));
    }
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::no_space);
    EXPECT_EQ(state_of(id), SnapshotState::normal);
    EXPECT_EQ(world->store().counters().squashed, 0U);
    ASSERT_TRUE(world->run(world->store().snapshots().remove(id))); // then there is room again
    ASSERT_TRUE(write(1000));
}

// The record in the superblock is there twice: a damaged copy does not make the snapshots valid again.
TEST_F(LossTest, ADamagedSuperblockForgetsNoLoss)
{
    for (const std::uint64_t copy : {1U, 16U}) {
        WorldConfig config;
        begin(config);
        const SnapshotId id = take();
        world->store_disk().fail_request(2); // the flush of a commit
        EXPECT_FALSE(world->run(world->store().snapshots().set_priority(id, 5)));
        ASSERT_TRUE(write(3));
        ASSERT_TRUE(world->store().info().given_up);
        world->kill();
        world->store_disk().content()[copy * 4096 + 200] ^= std::byte{1};
        const auto report = world->open();
        ASSERT_TRUE(report) << report.error().what;
        EXPECT_EQ(state_of(id), SnapshotState::squashed) << copy;
    }
}

// Policies are of a life, not of the store.
TEST_F(LossTest, ALossIsNotUndoneBySnapshotFirst)
{
    begin(with_witness());
    const SnapshotId id = take();
    world->store_disk().fail_request(1, true);
    ASSERT_TRUE(write(1));
    world->store_disk().fail_request(0);
    world->kill();
    Store second(
        world->devices(),
        [] {
            StoreConfig config;
            config.snapshot_first = true;
            return config;
        }(),
        *world);
    for (SimDisk* disk : {&world->origin(), &world->store_disk(), &world->witness()}) {
        disk->restore();
    }
    ASSERT_TRUE(world->run(second.open()));
    EXPECT_EQ(second.snapshots().find(id)->state, SnapshotState::squashed);
}

TEST_F(LossTest, AnUnreadableOrDamagedWitnessRefusesToOpen)
{
    begin(with_witness());
    (void)take();
    world->kill();
    world->witness().fail_request(1);
    auto opened = world->open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::io_error);
    world->witness().content()[100] = std::byte{1};
    opened = world->open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::corrupt);
    world->witness().content()[100] = std::byte{0};
    ASSERT_TRUE(world->open());
    EXPECT_FALSE(world->store().origin().no_snapshots());
}

// Readers are told, and nothing is swept or checked on a store that is gone.
TEST_F(LossTest, ReadersOfLostSnapshotsAreRefused)
{
    begin(with_witness());
    const SnapshotId id = take();
    ASSERT_TRUE(write(1));
    world->store_disk().fail_request(1, true);
    ASSERT_TRUE(write(2));
    std::array<Extent, 4> out{};
    const auto read = world->run(world->store().snapshots().read(id, {Chunk{1}, 1}, out));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::squashed);
    EXPECT_FALSE(world->store().info().sweeping);
    EXPECT_FALSE(world->run(world->store().snapshots().create({})));
}

} // namespace
} // namespace zumastor::test
