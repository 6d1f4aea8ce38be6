// SPDX-License-Identifier: GPL-2.0
// The lengths of origin and store: what snapshots keep, what deltas say, what crashes leave.
#include <cstring>

#include <gtest/gtest.h>

#include "format/superblock.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

constexpr std::uint64_t kChunk = 16384;
constexpr std::uint64_t kPerChunk = kChunk / 512; // sectors

WorldConfig config_of(Sectors volume, Bytes store = Bytes{8ULL << 20}, Bytes meta = {})
{
    WorldConfig config;
    config.chunk_shift = 14;
    config.volume = volume;
    config.store = store;
    config.meta = meta;
    return config;
}

class ResizeTest : public testing::Test {
protected:
    ResizeTest() { open_new(config_of(Sectors{64 * kPerChunk})); }

    void open_new(const WorldConfig& config, std::uint64_t seed = 42)
    {
        world = std::make_unique<SimWorld>(seed, config);
        fill(0, 64, 1);
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    Store& store() { return world->store(); }
    void reopen()
    {
        ASSERT_TRUE(world->close());
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what;
    }
    // Somebody writes to the origin's device.
    void fill(std::uint64_t first, std::uint64_t count, int value)
    {
        std::memset(&world->origin().content()[first * kChunk], value, count * kChunk);
    }
    // An origin client writes: asks first.
    void write(std::uint64_t first, std::uint32_t count, int value)
    {
        const auto done = world->run(store().origin().write({Chunk{first}, count}));
        ASSERT_TRUE(done) << done.error().what;
        fill(first, count, value);
    }
    Result<SnapshotInfo> create(std::uint64_t id)
    {
        CreateOptions options;
        options.id = SnapshotId{id};
        return world->run(store().snapshots().create(options));
    }
    Result<void> resize(std::uint64_t sectors)
    {
        return world->run(store().origin().resize(Sectors{sectors}));
    }
    // The byte that the snapshot's chunk begins with; -1 if it cannot be read.
    int read(std::uint64_t id, std::uint64_t chunk)
    {
        std::array<Extent, 1> out;
        const auto used = world->run(store().snapshots().read(SnapshotId{id}, {Chunk{chunk}, 1}, out));
        if (!used) {
            return -1;
        }
        if (out[0].kind == Extent::Kind::zero) {
            return 0;
        }
        const auto from =
            out[0].kind == Extent::Kind::store ? world->store_disk().content() : world->origin().content();
        const std::uint64_t at =
            out[0].kind == Extent::Kind::store ? out[0].sector.value * 512 : chunk * kChunk;
        return std::to_integer<int>(from[at]);
    }
    bool all(std::uint64_t id, std::uint64_t first, std::uint64_t end, int value)
    {
        for (std::uint64_t c = first; c < end; ++c) {
            if (read(id, c) != value) {
                ADD_FAILURE() << "snapshot " << id << " chunk " << c << ": " << read(id, c);
                return false;
            }
        }
        return true;
    }
    std::vector<ChunkRange> delta(std::uint64_t from, std::optional<std::uint64_t> to)
    {
        std::vector<ChunkRange> ranges;
        std::array<ChunkRange, 2> out{};
        const auto end = to ? std::optional(SnapshotId{*to}) : std::nullopt;
        for (DeltaPart part; !part.complete;) {
            const auto got = store().snapshots().delta(SnapshotId{from}, end, part.next, out);
            if (!got) {
                ADD_FAILURE() << got.error().what;
                break;
            }
            part = *got;
            for (std::size_t i = 0; i < part.ranges; ++i) {
                if (!ranges.empty() && ranges.back().end() == out[i].first) {
                    ranges.back().count += out[i].count;
                } else {
                    ranges.push_back(out[i]);
                }
            }
        }
        return ranges;
    }
    void expect_sound()
    {
        const auto report = world->run(store().upkeep().check(true));
        ASSERT_TRUE(report);
        for (const Damage& d : report->damage.listed()) {
            ADD_FAILURE() << d.what << " chunk " << d.chunk.value;
        }
    }

    std::unique_ptr<SimWorld> world;
};

// A snapshot that ends within a chunk keeps its part of it; what lies beyond all snapshots is not copied.
TEST_F(ResizeTest, GrownVolumeKeepsItsSnapshots)
{
    open_new(config_of(Sectors{10 * kPerChunk + 8}));
    ASSERT_TRUE(create(0));
    EXPECT_FALSE(world->run(store().origin().write({Chunk{11}, 1}))) << "beyond the end";
    ASSERT_TRUE(resize(20 * kPerChunk));
    EXPECT_EQ(store().info().origin_size, Sectors{20 * kPerChunk});
    EXPECT_FALSE(store().origin().writable({Chunk{10}, 1}));
    EXPECT_TRUE(store().origin().writable({Chunk{11}, 9}));
    write(8, 12, 2);
    EXPECT_EQ(store().counters().copied_chunks, 3U) << "chunks 8, 9 and the divided one";
    EXPECT_TRUE(all(0, 0, 11, 1));
    EXPECT_EQ(read(0, 11), -1) << "the snapshot has no such chunk";
    ASSERT_TRUE(create(1));
    write(15, 1, 3);
    EXPECT_TRUE(all(1, 8, 20, 2));
    reopen();
    EXPECT_TRUE(all(0, 0, 11, 1));
    EXPECT_TRUE(all(1, 8, 20, 2));
    EXPECT_EQ(store().snapshots().find(SnapshotId{0})->size, Sectors{10 * kPerChunk + 8});
    EXPECT_EQ(store().snapshots().find(SnapshotId{1})->size, Sectors{20 * kPerChunk});
    expect_sound();
}

TEST_F(ResizeTest, ShrunkVolumeHasCopiedItsEnd)
{
    ASSERT_TRUE(create(0));
    ASSERT_TRUE(resize(5 * kPerChunk + 8));
    EXPECT_EQ(store().counters().copied_chunks, 59U) << "from the divided chunk on";
    EXPECT_TRUE(all(0, 0, 5, 1));
    fill(5, 59, 9); // the end belongs to somebody else now
    EXPECT_TRUE(all(0, 0, 64, 1));
    EXPECT_FALSE(store().origin().writable({Chunk{6}, 1}));
    EXPECT_FALSE(world->run(store().origin().write({Chunk{6}, 1})));
    ASSERT_TRUE(create(1));
    EXPECT_EQ(store().snapshots().find(SnapshotId{1})->size, Sectors{5 * kPerChunk + 8});
    EXPECT_EQ(read(1, 6), -1);
    write(0, 6, 2);
    reopen();
    EXPECT_TRUE(all(0, 0, 64, 1));
    EXPECT_TRUE(all(1, 0, 5, 1));
    expect_sound();
}

TEST_F(ResizeTest, RegrownEndIsPartOfNewSnapshotsOnly)
{
    ASSERT_TRUE(create(0));
    ASSERT_TRUE(resize(20 * kPerChunk));
    ASSERT_TRUE(create(1));
    fill(20, 44, 4); // between shrinking and growing
    ASSERT_TRUE(resize(64 * kPerChunk));
    EXPECT_TRUE(store().origin().writable({Chunk{20}, 44})) << "no live snapshot shares it";
    write(30, 1, 5);
    ASSERT_TRUE(create(2));
    write(20, 44, 6);
    EXPECT_TRUE(all(0, 0, 64, 1));
    EXPECT_TRUE(all(1, 0, 20, 1));
    EXPECT_TRUE(all(2, 20, 30, 4));
    EXPECT_EQ(read(2, 30), 5);
    EXPECT_TRUE(all(2, 31, 64, 4));
    ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{1})));
    world->run(store().upkeep().quiesce());
    reopen();
    EXPECT_TRUE(all(0, 0, 64, 1));
    EXPECT_EQ(read(2, 30), 5);
    expect_sound();
}

TEST_F(ResizeTest, DeltasKnowOfSizes)
{
    using Ranges = std::vector<ChunkRange>;
    open_new(config_of(Sectors{10 * kPerChunk + 8}));
    ASSERT_TRUE(create(0));
    write(2, 1, 2);
    ASSERT_TRUE(resize(20 * kPerChunk));
    ASSERT_TRUE(create(1));
    EXPECT_EQ(delta(0, 1), (Ranges{{Chunk{2}, 1}, {Chunk{10}, 10}}));
    ASSERT_TRUE(resize(6 * kPerChunk));
    ASSERT_TRUE(create(2));
    EXPECT_EQ(delta(0, 2), (Ranges{{Chunk{2}, 1}})) << "nothing beyond the newer one's end";
    EXPECT_EQ(delta(1, 2), Ranges{});
    ASSERT_TRUE(resize(30 * kPerChunk));
    ASSERT_TRUE(create(3));
    EXPECT_EQ(delta(2, 3), (Ranges{{Chunk{6}, 24}}));
    EXPECT_EQ(delta(1, 3), (Ranges{{Chunk{6}, 24}})) << "it was given away in between";
    EXPECT_EQ(delta(0, {}), (Ranges{{Chunk{2}, 1}, {Chunk{6}, 24}}));
}

// What cannot be kept is refused; snapshots are not given up for it.
TEST_F(ResizeTest, ShrinkIsRefusedWithoutRoom)
{
    open_new(config_of(Sectors{64 * kPerChunk}, Bytes{2ULL << 20}));
    ASSERT_LT(store().info().free_chunks, 64U);
    ASSERT_TRUE(create(0));
    const auto done = resize(1 * kPerChunk);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::no_space);
    EXPECT_EQ(done.error().where, 63U);
    EXPECT_EQ(store().counters().squashed, 0U);
    EXPECT_EQ(store().info().origin_size, Sectors{64 * kPerChunk});
    EXPECT_TRUE(all(0, 0, 64, 1));
    EXPECT_TRUE(resize(60 * kPerChunk)) << "for this there is room";
    EXPECT_EQ(store().counters().squashed, 0U);
}

TEST_F(ResizeTest, WhatMakesNoSenseIsRefused)
{
    EXPECT_EQ(resize(0).error().code, Errc::invalid);
    EXPECT_EQ(resize(65 * kPerChunk).error().code, Errc::too_small) << "more than the device has";
    const Bytes now = world->store_disk().size();
    EXPECT_EQ(world->run(store().space().grow(now + Bytes{kChunk})).error().code, Errc::too_small);
    EXPECT_EQ(world->run(store().space().grow(now - Bytes{4 * kChunk})).error().code, Errc::invalid);
    EXPECT_TRUE(world->run(store().space().grow(store().info().store_size)));
    EXPECT_TRUE(resize(64 * kPerChunk));
}

// Exceptions of a snapshot that is gone may lie beyond the end, too.
TEST_F(ResizeTest, GarbageBeyondTheEndIsLoaded)
{
    ASSERT_TRUE(create(0));
    ASSERT_TRUE(resize(5 * kPerChunk));
    ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{0})));
    world->kill();
    const auto opened = world->open();
    ASSERT_TRUE(opened) << opened.error().what;
    world->run(store().upkeep().quiesce());
    EXPECT_EQ(store().info().exceptions, 0U);
    expect_sound();
}

// Programs that do not know of it must not read such a store.
TEST_F(ResizeTest, ShrinkingSetsAFeatureBit)
{
    const auto newest = [&] {
        const auto disk = world->store_disk().content();
        auto sb = choose_superblock(disk.subspan(block_offset(kSuperblockBlock[0]).value, 4096),
                                    disk.subspan(block_offset(kSuperblockBlock[1]).value, 4096));
        return *sb;
    };
    ASSERT_TRUE(resize(32 * kPerChunk));
    EXPECT_EQ(newest().features.incompat, kIncompatShrunkOrigin);
    EXPECT_EQ(newest().origin.largest, Sectors{64 * kPerChunk});
    ASSERT_TRUE(resize(40 * kPerChunk));
    ASSERT_TRUE(resize(16 * kPerChunk));
    EXPECT_EQ(newest().origin.largest, Sectors{64 * kPerChunk});
    Superblock sb = newest();
    EXPECT_EQ(find_implausible(sb), nullptr);
    sb.features.incompat = 0;
    EXPECT_NE(find_implausible(sb), nullptr);
    open_new(config_of(Sectors{32 * kPerChunk}));
    ASSERT_TRUE(resize(64 * kPerChunk));
    EXPECT_EQ(newest().features.incompat, 0U) << "growing needs none";
}

TEST_F(ResizeTest, StoreGrows)
{
    for (const Bytes meta : {Bytes{}, Bytes{4ULL << 20}}) {
        open_new(config_of(Sectors{64 * kPerChunk}, Bytes{2ULL << 20}, meta));
        ASSERT_TRUE(create(0));
        const std::uint64_t before = store().info().store_chunks;
        ASSERT_LT(store().info().free_chunks, 200U);
        world->store_disk().grow(Bytes{4ULL << 20});
        ASSERT_TRUE(world->run(store().space().grow(Bytes{4ULL << 20})));
        EXPECT_GT(store().info().store_chunks, before + 120);
        EXPECT_EQ(store().info().free_chunks, store().info().store_chunks);
        write(0, 64, 2);
        ASSERT_TRUE(create(1));
        write(0, 64, 3);
        EXPECT_EQ(store().counters().squashed, 0U);
        reopen();
        EXPECT_TRUE(all(0, 0, 64, 1));
        EXPECT_TRUE(all(1, 0, 64, 2));
        expect_sound();
    }
}

TEST_F(ResizeTest, MetadataGetMoreRoom)
{
    open_new(config_of(Sectors{64 * kPerChunk}, Bytes{4ULL << 20}, Bytes{2ULL << 20}));
    ASSERT_TRUE(create(0));
    write(0, 32, 2);
    const std::uint64_t blocks = store().info().meta_blocks;
    const std::uint64_t free = store().info().free_meta_blocks;
    const auto grow = [&](Bytes size) { return world->run(store().space().resize_meta(size)); };
    EXPECT_EQ(grow(Bytes{3ULL << 20}).error().code, Errc::too_small);
    world->meta_disk().grow(Bytes{3ULL << 20});
    ASSERT_TRUE(grow(Bytes{3ULL << 20}));
    EXPECT_EQ(store().info().meta_blocks, blocks + 256);
    EXPECT_GE(store().info().free_meta_blocks + 4, free + 256);
    EXPECT_TRUE(grow(Bytes{3ULL << 20})) << "as it is";
    // Nodes and tables of many checkpoints, all over the zone.
    for (std::uint64_t i = 1; i <= 300; ++i) {
        write(32 + i % 32, 1, 3);
        const auto made = create(i);
        ASSERT_TRUE(made) << made.error().what << ", " << i;
        ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
        ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{i})));
        world->run(store().upkeep().quiesce());
    }
    reopen();
    EXPECT_EQ(store().info().meta_blocks, blocks + 256);
    EXPECT_TRUE(all(0, 0, 64, 1));
    expect_sound();
    open_new(config_of(Sectors{64 * kPerChunk}, Bytes{4ULL << 20}));
    EXPECT_EQ(grow(Bytes{4ULL << 20}).error().code, Errc::unsupported) << "it has no device of its own";
}

// The power fails in the middle: the old length or the new one, and the snapshot whole in either case.
TEST_F(ResizeTest, CrashLeavesTheOldOrTheNewLength)
{
    int old_sizes = 0;
    int new_sizes = 0;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        const Bytes meta = seed % 2 == 0 ? Bytes{} : Bytes{4ULL << 20};
        open_new(config_of(Sectors{64 * kPerChunk}, Bytes{3ULL << 20}, meta), seed);
        ASSERT_TRUE(create(0));
        world->store_disk().grow(Bytes{4ULL << 20});
        const std::uint64_t chunks = store().info().store_chunks;
        const Sectors to{(1 + seed % 63) * kPerChunk};
        const std::uint64_t blocks = store().info().meta_blocks;
        const int asked = seed % 2 == 0 ? 2 : 3;
        int answered = 0;
        const auto count = [](FramePool&, Task<Result<void>> task, int& done) -> Task<void> {
            done += (co_await task).has_value() ? 1 : 0;
        };
        spawn(world->frames(), count(world->frames(), store().origin().resize(to), answered));
        spawn(world->frames(), count(world->frames(), store().space().grow(Bytes{4ULL << 20}), answered));
        if (seed % 2 != 0) {
            world->meta_disk().grow(Bytes{5ULL << 20});
            spawn(world->frames(),
                  count(world->frames(), store().space().resize_meta(Bytes{5ULL << 20}), answered));
        }
        for (std::uint64_t steps = seed; steps > 0 && answered < asked; --steps) {
            world->pump();
        }
        world->power_cut();
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what << ", seed " << seed;
        const std::uint64_t zone = store().info().meta_blocks;
        EXPECT_TRUE(zone == blocks || (seed % 2 != 0 && zone == blocks + 256)) << "seed " << seed;
        const Sectors now = store().info().origin_size;
        if (now == to) {
            ++new_sizes;
            const std::uint64_t first = to.value / kPerChunk;
            fill(first, 64 - first, 9);
        } else {
            ++old_sizes;
            ASSERT_EQ(now, Sectors{64 * kPerChunk}) << "seed " << seed;
        }
        if (answered == asked) {
            ASSERT_EQ(now, to) << "seed " << seed;
            ASSERT_GT(store().info().store_chunks, chunks) << "seed " << seed;
            ASSERT_EQ(zone, asked == 2 ? blocks : blocks + 256) << "seed " << seed;
        }
        ASSERT_TRUE(all(0, 0, 64, 1)) << "seed " << seed;
        ASSERT_TRUE(resize(to.value)) << "again, seed " << seed;
        ASSERT_TRUE(world->run(store().space().grow(Bytes{4ULL << 20})));
        expect_sound();
    }
    EXPECT_GT(old_sizes, 20);
    EXPECT_GT(new_sizes, 20);
}

} // namespace
} // namespace zumastor::test
