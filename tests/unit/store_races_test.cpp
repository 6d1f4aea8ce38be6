// SPDX-License-Identifier: GPL-2.0
// Operations that meet in the middle of each other, as the simulation once found them, one by one.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

// A world that says when the store looks for space.
class FullWorld final : public SimWorld {
public:
    using SimWorld::SimWorld;
    void log(Severity, std::string_view text) noexcept override
    {
        looks_for_victim = looks_for_victim || text.find("squashing") != std::string_view::npos;
    }
    bool looks_for_victim = false;
};

class StoreRaceTest : public testing::Test {
protected:
    template <class T>
    using Pending = std::shared_ptr<std::optional<T>>;

    void open_new(std::uint64_t seed, const WorldConfig& config)
    {
        world = std::make_unique<FullWorld>(seed, config);
        std::memset(world->origin().content().data(), 1, world->origin().content().size());
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    Store& store() { return world->store(); }
    // Starts an operation; the disks stand still.
    template <class T>
    Pending<T> begin(Task<T> task)
    {
        auto pending = std::make_shared<std::optional<T>>();
        spawn(world->frames(), await(world->frames(), std::move(task), pending));
        return pending;
    }
    template <class T>
    T finish(const Pending<T>& pending)
    {
        while (!*pending) {
            world->step();
        }
        return std::move(**pending);
    }
    Result<SnapshotInfo> create() { return world->run(store().snapshots().create({})); }

    std::unique_ptr<FullWorld> world;

private:
    template <class T>
    static Task<void> await([[maybe_unused]] FramePool& frames, Task<T> task, Pending<T> pending)
    {
        pending->emplace(co_await task);
    }
};

// What was written to the origin before a snapshot is part of it, flushed by its writer or not: the snapshot
// shares the chunk with the origin, and must not lose it with the power.
TEST_F(StoreRaceTest, CreateMakesEarlierOriginWritesDurable)
{
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        open_new(seed, {});
        alignas(4096) std::array<std::byte, 4096> data{};
        data.fill(std::byte{7});
        IoRequest write;
        write.op = IoRequest::Op::write;
        write.offset = Bytes{5ULL * 4096};
        write.buffer = data;
        write.on_complete = [](IoRequest&) noexcept {};
        world->origin().submit(write);
        world->drain(); // completed, not flushed
        ASSERT_TRUE(create());
        world->power_cut();
        ASSERT_TRUE(world->open());
        ASSERT_EQ(store().snapshots().list().size(), 1U);
        const auto chunk = world->origin().content().subspan(5UL * 4096, 4096);
        EXPECT_TRUE(std::equal(chunk.begin(), chunk.end(), data.begin())) << "seed " << seed;
    }
}

// A snapshot whose priority was raised to 127 while the store was about to squash it stays.
TEST_F(StoreRaceTest, ASnapshotPinnedAfterItsChoiceIsNotSquashed)
{
    WorldConfig config;
    config.origin = Bytes{256ULL << 10};
    config.store = Bytes{2ULL << 20};
    open_new(1, config);
    for (std::uint64_t c = 0; store().info().free_chunks > 0; c = (c + 1) % 64) {
        if (c == 0) {
            ASSERT_TRUE(create());
        }
        ASSERT_TRUE(world->run(store().origin().write({Chunk{c}, 1})));
    }
    ASSERT_TRUE(create());
    ASSERT_TRUE(world->squashed_ids.empty());
    const auto pinned =
        begin(store().snapshots().set_priority(SnapshotId{0}, 127)); // on its way to the journal
    const auto write = begin(store().origin().write({Chunk{0}, 1}));
    while (!world->looks_for_victim) { // chosen: the oldest
        ASSERT_TRUE(world->origin().pump());
    }
    ASSERT_FALSE(*pinned);
    EXPECT_TRUE(finish(pinned));
    EXPECT_TRUE(finish(write)); // the next one was squashed
    EXPECT_EQ(store().snapshots().find(SnapshotId{0})->state, SnapshotState::normal);
    ASSERT_EQ(world->squashed_ids.size(), 1U);
    EXPECT_EQ(world->squashed_ids[0], SnapshotId{1});
}

// A checkpoint names the blocks of the tables before it has written them.
TEST_F(StoreRaceTest, CheckBesideCheckpointsFindsNoDamage)
{
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        open_new(seed, {});
        for (int i = 0; i < 50; ++i) { // three blocks of table
            ASSERT_TRUE(create());
        }
        const auto check = begin(store().upkeep().check(false));
        std::vector<Pending<Result<void>>> checkpoints;
        while (!*check) {
            (void)begin(store().snapshots().set_priority(SnapshotId{0}, 1));
            checkpoints.push_back(begin(store().upkeep().checkpoint()));
            for (int i = 0; i < 3 && world->pump(); ++i) {
            }
        }
        for (const auto& checkpoint : checkpoints) {
            ASSERT_TRUE(finish(checkpoint));
        }
        world->drain();
        const auto report = std::move(**check);
        ASSERT_TRUE(report);
        for (const Damage& damage : report->damage.listed()) {
            ADD_FAILURE() << "seed " << seed << ": " << damage.what << " at " << damage.where;
        }
    }
}

} // namespace
} // namespace zumastor::test
