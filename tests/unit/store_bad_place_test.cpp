// SPDX-License-Identifier: GPL-2.0
// A sector of the store that cannot be written: the copy goes elsewhere, no snapshot is given up for it.
#include <algorithm>

#include <gtest/gtest.h>

#include "format/block.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

class NobodyWrites final : public PlaceUsers {
public:
    explicit NobodyWrites(FramePool& frames) : frames_(frames) {}
    Task<Result<void>> hold_writers(SnapshotId) override { return held(frames_); }
    void release_writers(SnapshotId) noexcept override {}
    void revoke_places() noexcept override {}

private:
    static Task<Result<void>> held([[maybe_unused]] FramePool& frames) { co_return Result<void>{}; }
    FramePool& frames_;
};

class BadPlaceTest : public testing::Test {
protected:
    void SetUp() override
    {
        WorldConfig config;
        config.journal = Bytes{256ULL << 10};
        world = std::make_unique<SimWorld>(11, config);
        world->number_origin();
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
        data_end = store().info().store_size.value;
        data_start = data_end - store().info().store_chunks * 4096;
    }
    Store& store() { return world->store(); }
    SnapshotId take()
    {
        const auto info = world->run(store().snapshots().create({}));
        EXPECT_TRUE(info);
        return info ? info->id : SnapshotId{};
    }
    Result<void> write(std::uint64_t first, std::uint32_t count)
    {
        return world->run(store().origin().write({Chunk{first}, count}));
    }
    void spoil(std::uint64_t place) { world->store_disk().spoil_writes(data_start + place * 4096 + 1024); }
    // All of the snapshot is what the origin was, and nothing is lost or leaked.
    void expect_whole(SnapshotId id, std::uint64_t chunks)
    {
        for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
            std::array<Extent, 1> out;
            const auto found = world->run(store().snapshots().read(id, {Chunk{chunk}, 1}, out));
            ASSERT_TRUE(found) << chunk;
            const bool in_store = out[0].kind == Extent::Kind::store;
            auto& disk = in_store ? world->store_disk() : world->origin();
            const std::uint64_t at = in_store ? out[0].sector.value * 512 : chunk * 4096;
            EXPECT_EQ(disk.content()[at + 1024], static_cast<std::byte>(chunk + 1)) << chunk;
        }
        const auto checked = world->run(store().upkeep().check(true));
        ASSERT_TRUE(checked);
        EXPECT_TRUE(checked->damage.empty());
        EXPECT_FALSE(store().info().failed);
    }

    std::unique_ptr<SimWorld> world;
    std::uint64_t data_start = 0;
    std::uint64_t data_end = 0;
};

TEST_F(BadPlaceTest, TheCopyGoesElsewhere)
{
    const SnapshotId id = take();
    for (const std::uint64_t place : {0U, 5U, 6U, 40U}) {
        spoil(place);
    }
    ASSERT_TRUE(write(0, 40));
    ASSERT_TRUE(write(40, 40));
    expect_whole(id, 80);
    EXPECT_GE(store().info().bad_chunks, 1U);
    EXPECT_LE(store().info().bad_chunks, 4U);
    // The next life knows nothing of them, and finds them again.
    ASSERT_TRUE(world->close());
    ASSERT_TRUE(world->open());
    EXPECT_EQ(store().info().bad_chunks, 0U);
    expect_whole(id, 80);
    ASSERT_TRUE(write(80, 100));
    expect_whole(id, 180);
}

TEST_F(BadPlaceTest, ASnapshotsOwnChunkGoesElsewhere)
{
    const SnapshotId id = take();
    spoil(0);
    std::array<Extent, 1> out;
    const auto made = world->run(store().snapshots().write(id, {Chunk{3}, 1}, out));
    ASSERT_TRUE(made);
    EXPECT_NE(out[0].sector.value * 512, data_start);
    expect_whole(id, 10);
    EXPECT_EQ(store().info().bad_chunks, 1U);
}

TEST_F(BadPlaceTest, ADeviceThatTakesNothingHasFailed)
{
    take();
    for (std::uint64_t at = data_start; at < data_end; at += 4096) {
        world->store_disk().spoil_writes(at);
    }
    EXPECT_TRUE(write(0, 10)); // origin first
    EXPECT_TRUE(store().info().failed);
    EXPECT_TRUE(store().info().given_up);
    EXPECT_LE(store().info().bad_chunks, 3U); // nobody waits for it to fail everywhere
}

TEST_F(BadPlaceTest, ItHindersNoShrink)
{
    const SnapshotId id = take();
    const std::uint64_t chunks = store().info().store_chunks;
    const auto end = Bytes{data_start + (chunks / 2) * 4096};
    ASSERT_TRUE(write(0, 40));
    for (std::uint64_t place = 60; place < 80; ++place) {
        spoil(place); // where the moved ones would go
    }
    spoil(chunks / 8 * 3 + 60); // and those that went elsewhere
    ASSERT_TRUE(write(40, 60));
    EXPECT_GE(store().info().bad_chunks, 1U);
    NobodyWrites users(store().frames());
    ASSERT_TRUE(world->run(store().space().shrink(end, users)));
    expect_whole(id, 100);
    EXPECT_EQ(store().info().store_chunks, chunks / 2);
}

} // namespace
} // namespace zumastor::test
