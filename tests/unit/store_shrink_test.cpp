// SPDX-License-Identifier: GPL-2.0
// A store that becomes smaller: what it moves, what it refuses, what crashes leave.
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "format/superblock.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

constexpr std::uint64_t kPlaceBytes = 16384;
constexpr std::uint64_t kVolume = 64; // chunks
constexpr Bytes kStore{5ULL << 20};   // some 200 chunks

// Nobody has been told anything; keeps a list of what is asked.
class Users final : public PlaceUsers {
public:
    explicit Users(FramePool& pool) : pool_(pool) {}
    FramePool& frames() noexcept { return pool_; }
    Task<Result<void>> hold_writers(SnapshotId id) override
    {
        calls += "hold " + std::to_string(id.value) + " ";
        co_return refuses ? fail(Errc::busy, "somebody writes") : Result<void>{};
    }
    void release_writers(SnapshotId id) noexcept override
    {
        calls += "release " + std::to_string(id.value) + " ";
    }
    void revoke_places() noexcept override { calls += "revoke "; }

    std::string calls;
    bool refuses = false;

private:
    FramePool& pool_;
};

class ShrinkTest : public testing::Test {
protected:
    // Snapshot 1 with all of its chunks in the store, from the 64th place on; the 0th was there and is gone.
    void open_new(Bytes meta = {}, std::uint64_t seed = 42)
    {
        WorldConfig config;
        config.chunk_shift = 14;
        config.volume = Sectors{kVolume * kPlaceBytes / 512};
        config.store = kStore;
        config.meta = meta;
        world = std::make_unique<SimWorld>(seed, config);
        users = std::make_unique<Users>(world->frames());
        fill(world->origin(), 1);
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
        create(0);
        write(0, kVolume, 2);
        create(1);
        write(0, kVolume, 3);
        ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{0})));
        world->run(store().upkeep().quiesce());
        ASSERT_EQ(used(), kVolume);
        ASSERT_EQ(store().counters().squashed, 0U);
    }
    static std::byte byte_of(std::uint64_t chunk, int value)
    {
        return static_cast<std::byte>(value * 70 + static_cast<int>(chunk));
    }
    static void fill(SimDisk& disk, int value, std::uint64_t first = 0, std::uint64_t count = kVolume)
    {
        for (std::uint64_t c = first; c < first + count; ++c) {
            std::memset(&disk.content()[c * kPlaceBytes], std::to_integer<int>(byte_of(c, value)),
                        kPlaceBytes);
        }
    }
    Store& store() { return world->store(); }
    void create(std::uint64_t id)
    {
        CreateOptions options;
        options.id = SnapshotId{id};
        ASSERT_TRUE(world->run(store().snapshots().create(options)));
    }
    void write(std::uint64_t first, std::uint32_t count, int value)
    {
        const auto done = world->run(store().origin().write({Chunk{first}, count}));
        ASSERT_TRUE(done) << done.error().what;
        fill(world->origin(), value, first, count);
    }
    // A client writes to snapshot 1, in place, and flushes.
    void write_snapshot(std::uint64_t chunk, int value)
    {
        std::array<Extent, 1> out;
        ASSERT_TRUE(world->run(store().snapshots().write(SnapshotId{1}, {Chunk{chunk}, 1}, out)));
        ASSERT_EQ(out[0].kind, Extent::Kind::store);
        std::memset(&world->store_disk().content()[out[0].sector.value * 512],
                    std::to_integer<int>(byte_of(chunk, value)), kPlaceBytes);
    }
    std::uint64_t used() { return store().info().store_chunks - free_chunks(); }
    std::uint64_t free_chunks() { return store().info().free_chunks + store().info().pending_chunks; }
    // So that `chunks` are left.
    Bytes size_for(std::uint64_t chunks)
    {
        const StoreInfo info = store().info();
        return Bytes{info.store_size.value - (info.store_chunks - chunks) * kPlaceBytes};
    }
    Result<void> shrink(std::uint64_t chunks)
    {
        return world->run(store().space().shrink(size_for(chunks), *users));
    }
    // Somebody else has what the store does not reach any more.
    void give_end_away()
    {
        const auto disk = world->store_disk().content();
        const std::uint64_t end = store().info().store_size.value;
        std::memset(&disk[end], 0xee, disk.size() - end);
    }
    void expect_snapshot(const std::string& when, std::uint64_t written_from = kVolume, int value = 0)
    {
        for (std::uint64_t c = 0; c < kVolume; ++c) {
            std::array<Extent, 1> out;
            const auto found = world->run(store().snapshots().read(SnapshotId{1}, {Chunk{c}, 1}, out));
            ASSERT_TRUE(found) << found.error().what << ", " << when;
            ASSERT_EQ(out[0].kind, Extent::Kind::store) << when;
            const auto there = world->store_disk().content().subspan(out[0].sector.value * 512, kPlaceBytes);
            const std::byte expected = byte_of(c, c >= written_from ? value : 2);
            ASSERT_EQ(there.front(), expected) << "chunk " << c << ", " << when;
            ASSERT_EQ(there.back(), expected) << "chunk " << c << ", " << when;
        }
    }
    void expect_sound()
    {
        const auto report = world->run(store().upkeep().check(true));
        ASSERT_TRUE(report);
        for (const Damage& d : report->damage.listed()) {
            ADD_FAILURE() << d.what << " chunk " << d.chunk.value;
        }
    }
    void reopen()
    {
        ASSERT_TRUE(world->close());
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what;
    }

    std::unique_ptr<SimWorld> world;
    std::unique_ptr<Users> users;
};

TEST_F(ShrinkTest, MovesWhatLiesBeyondTheEnd)
{
    for (const Bytes meta : {Bytes{}, Bytes{4ULL << 20}}) {
        open_new(meta);
        write_snapshot(62, 5);
        write_snapshot(63, 5);
        const std::uint64_t in_use = used();
        const auto done = shrink(in_use);
        ASSERT_TRUE(done) << done.error().what;
        EXPECT_EQ(store().info().store_chunks, in_use);
        EXPECT_EQ(store().info().free_chunks + store().info().pending_chunks, 0U);
        EXPECT_GT(store().counters().moved_chunks, 20U);
        EXPECT_EQ(store().counters().squashed, 0U);
        give_end_away();
        expect_snapshot("shrunk", 62, 5);
        reopen();
        expect_snapshot("opened again", 62, 5);
        expect_sound();
        EXPECT_EQ(store().info().store_chunks, in_use);
        // And back.
        ASSERT_TRUE(world->run(store().space().grow(kStore)));
        write(0, 1, 4); // the snapshot has it
        create(2);
        write(0, kVolume, 6);
        expect_snapshot("grown again", 62, 5);
        expect_sound();
    }
}

// Shared chunks move under everybody's eyes; writers are held while theirs move; places are forgotten before
// the end is given up.
TEST_F(ShrinkTest, AsksOnlyWhatItMust)
{
    open_new();
    ASSERT_TRUE(shrink(140)); // nothing is there
    EXPECT_EQ(users->calls, "");
    ASSERT_TRUE(shrink(100));
    EXPECT_EQ(users->calls, "revoke ");
}

TEST_F(ShrinkTest, HoldsWritersWhileTheirChunksMove)
{
    open_new();
    for (std::uint64_t c = 0; c < 32; ++c) {
        write_snapshot(32 + c, 5);
    }
    users->refuses = true;
    const std::uint64_t before = store().info().store_chunks;
    auto done = shrink(used());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::busy);
    EXPECT_STREQ(done.error().what, "somebody writes");
    EXPECT_EQ(users->calls, "hold 1 revoke ");
    EXPECT_EQ(store().info().store_chunks, before);
    write_snapshot(0, 2); // all of it is used again
    users->refuses = false;
    users->calls.clear();
    done = shrink(used());
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_EQ(users->calls, "hold 1 release 1 revoke ");
    give_end_away();
    expect_snapshot("shrunk", 32, 5);
    expect_sound();
}

TEST_F(ShrinkTest, RefusesWhatDoesNotFit)
{
    open_new();
    const auto full = shrink(kVolume - 1);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Errc::no_space);
    EXPECT_EQ(full.error().where, kVolume);
    EXPECT_EQ(shrink(15).error().code, Errc::too_small);
    EXPECT_EQ(world->run(store().space().shrink(Bytes{0}, *users)).error().code, Errc::too_small);
    EXPECT_TRUE(shrink(store().info().store_chunks)) << "it is so already";
    EXPECT_EQ(world->run(store().space().shrink(Bytes{8ULL << 20}, *users)).error().code, Errc::invalid);
    EXPECT_EQ(world->run(store().space().grow(size_for(100))).error().code, Errc::invalid);
    EXPECT_EQ(users->calls, "");
    EXPECT_EQ(store().counters().squashed, 0U);
    expect_snapshot("refused");
}

TEST_F(ShrinkTest, OneAtATime)
{
    open_new();
    SimWorld::Running first;
    world->begin(store().space().shrink(size_for(80), *users), first);
    EXPECT_EQ(shrink(70).error().code, Errc::busy);
    EXPECT_EQ(world->run(store().space().grow(size_for(140))).error().code, Errc::busy);
    world->finish(first);
    EXPECT_TRUE(first.result);
    EXPECT_EQ(store().info().store_chunks, 80U);
}

TEST_F(ShrinkTest, WaitsForAGrowth)
{
    open_new();
    ASSERT_TRUE(shrink(100));
    SimWorld::Running grown;
    const Bytes larger = size_for(180);
    const Bytes smaller = size_for(80);
    world->begin(store().space().grow(larger), grown);
    EXPECT_TRUE(world->run(store().space().shrink(smaller, *users)));
    EXPECT_TRUE(grown.ended && grown.result);
    EXPECT_EQ(store().info().store_chunks, 80U);
    expect_snapshot("grown and shrunk");
    expect_sound();
}

// Origin writes come first: what they need is not taken from them, and nothing is squashed for it.
TEST_F(ShrinkTest, GivesWayToWrites)
{
    open_new();
    create(2);
    SimWorld::Running shrunk;
    world->begin(store().space().shrink(size_for(kVolume + 8), *users), shrunk);
    write(0, kVolume, 4); // 64 more
    world->finish(shrunk);
    ASSERT_FALSE(shrunk.result);
    EXPECT_EQ(shrunk.result.error().code, Errc::no_space);
    EXPECT_EQ(store().counters().squashed, 0U);
    EXPECT_TRUE(users->calls.empty() || users->calls == "revoke ");
    expect_snapshot("given up");
    reopen();
    expect_snapshot("opened again");
    expect_sound();
}

TEST_F(ShrinkTest, IsStopped)
{
    open_new();
    SimWorld::Running shrunk;
    world->begin(store().space().shrink(size_for(70), *users), shrunk);
    world->pump();
    store().space().stop_shrinking();
    EXPECT_TRUE(store().space().shrink_stopped());
    world->finish(shrunk);
    EXPECT_EQ(shrunk.result.error().code, Errc::stopping);
    EXPECT_FALSE(store().space().shrink_stopped());
    reopen();
    expect_snapshot("opened again");
    expect_sound();
}

// What is damaged is not given a new checksum.
TEST_F(ShrinkTest, DamageIsNotMoved)
{
    open_new();
    const std::uint64_t last = size_for(2 * kVolume).value - kPlaceBytes; // of the 64 in use
    world->store_disk().content()[last + 5] ^= std::byte{1};
    const auto done = shrink(used());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::corrupt);
    EXPECT_EQ(done.error().where, last);
    EXPECT_FALSE(store().info().failed);
    EXPECT_TRUE(shrink(2 * kVolume)) << "it can stay";
}

// Old versions can open it: there is nothing in it that they do not know.
TEST_F(ShrinkTest, LeavesAPlainStore)
{
    for (const Bytes meta : {Bytes{}, Bytes{4ULL << 20}}) {
        open_new(meta);
        ASSERT_TRUE(shrink(used()));
        for (SimDisk* disk : {&world->store_disk(), &world->meta_disk()}) {
            const auto content = disk->content();
            for (const Block block : kSuperblockBlock) {
                const auto sb = unpack_superblock(content.subspan(block_offset(block).value, 4096), block);
                ASSERT_TRUE(sb);
                EXPECT_EQ(sb->features.incompat, 0U);
                EXPECT_EQ(sb->data.chunks, kVolume);
            }
        }
    }
}

// The power fails, or the daemon dies, after each of its I/Os. A client that writes to the snapshot goes on
// at the place that it was told when nobody holds it.
TEST_F(ShrinkTest, CrashLeavesTheOldOrTheNewLength)
{
    int old_sizes = 0;
    int new_sizes = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const std::string when = "seed " + std::to_string(seed);
        open_new(seed % 2 == 0 ? Bytes{} : Bytes{4ULL << 20}, seed);
        for (std::uint64_t c = 48; c < kVolume; ++c) {
            write_snapshot(c, 5);
        }
        const std::uint64_t all = store().info().store_chunks;
        const std::uint64_t less = used() + seed % 8;
        SimWorld::Running shrunk;
        world->begin(store().space().shrink(size_for(less), *users), shrunk);
        std::uint64_t steps = seed;
        for (; steps > 0 && !shrunk.ended; --steps) {
            world->pump();
        }
        const bool answered = shrunk.ended && shrunk.result.has_value();
        seed % 3 == 0 ? world->kill() : world->power_cut();
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what << ", " << when;
        const std::uint64_t now = store().info().store_chunks;
        ASSERT_TRUE(now == all || now == less) << now << ", " << when;
        ++(now == all ? old_sizes : new_sizes);
        if (answered) {
            ASSERT_EQ(now, less) << when;
        }
        give_end_away();
        expect_snapshot(when, 48, 5);
        expect_sound();
        if (now == all) {
            const auto again = shrink(less);
            ASSERT_TRUE(again) << again.error().what << ", " << when;
            give_end_away();
            expect_snapshot(when + ", again", 48, 5);
        }
    }
    EXPECT_GT(old_sizes, 20);
    EXPECT_GT(new_sizes, 20);
}

} // namespace
} // namespace zumastor::test
