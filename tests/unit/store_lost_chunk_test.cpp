// SPDX-License-Identifier: GPL-2.0
// A sector of the origin that cannot be read: the write goes through, the snapshots lose that chunk and no
// other.
#include <algorithm>

#include <gtest/gtest.h>

#include "format/block.h"
#include "format/journal.h"
#include "format/superblock.h"
#include "tests/support/sample.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

class LostChunkTest : public testing::Test {
protected:
    void begin(bool snapshot_first = false)
    {
        WorldConfig config;
        config.journal = Bytes{256ULL << 10};
        config.store_config.snapshot_first = snapshot_first;
        world = std::make_unique<SimWorld>(9, config);
        world->number_origin();
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    Store& store() { return world->store(); }
    SnapshotId take()
    {
        const auto info = world->run(store().snapshots().create({}));
        EXPECT_TRUE(info);
        return info ? info->id : SnapshotId{};
    }
    Result<void> write(std::uint64_t first, std::uint32_t count = 1)
    {
        return world->run(store().origin().write({Chunk{first}, count}));
    }
    // The first byte of the chunk as the snapshot has it; the error's code as a negative number.
    int read(SnapshotId id, std::uint64_t chunk)
    {
        std::array<Extent, 1> out;
        const auto found = world->run(store().snapshots().read(id, {Chunk{chunk}, 1}, out));
        if (!found) {
            return -static_cast<int>(found.error().code);
        }
        const auto& disk = out[0].kind == Extent::Kind::origin ? world->origin() : world->store_disk();
        const std::uint64_t at =
            out[0].kind == Extent::Kind::origin ? chunk * 4096 : out[0].sector.value * 512;
        return static_cast<int>(const_cast<SimDisk&>(disk).content()[at]);
    }
    Superblock newest()
    {
        const auto copy = [&](int i) {
            return world->store_disk().content().subspan(block_offset(kSuperblockBlock[i]).value,
                                                         kBlockSize.value);
        };
        return choose_superblock(copy(0), copy(1)).value_or(Superblock{});
    }

    static constexpr int kLost = -static_cast<int>(Errc::io_error);
    std::unique_ptr<SimWorld> world;
};

TEST_F(LostChunkTest, TheWriteGoesThroughAndOneChunkIsLost)
{
    begin();
    const SnapshotId old = take();
    ASSERT_TRUE(write(30));
    const SnapshotId young = take();
    world->origin().spoil_reads(std::uint64_t{25} * 4096 + 1024);
    ASSERT_TRUE(write(20, 16));
    const SnapshotId later = take();
    for (std::uint64_t chunk = 20; chunk < 36; ++chunk) {
        const int wanted = chunk == 25 ? kLost : static_cast<int>(chunk + 1);
        EXPECT_EQ(read(old, chunk), wanted) << chunk;
        EXPECT_EQ(read(young, chunk), wanted) << chunk;
        EXPECT_EQ(read(later, chunk), static_cast<int>(chunk + 1)) << chunk;
    }
    EXPECT_TRUE(store().origin().writable({Chunk{20}, 1}) ==
                false); // the newest snapshot has its own copies to get
    const auto lost = store().snapshots().lost_chunks();
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_EQ(lost[0].chunk, Chunk{25});
    EXPECT_EQ(lost[0].snapshots, (std::vector<SnapshotId>{old, young}));
    EXPECT_EQ(store().info().lost_chunks, 1U);
    EXPECT_FALSE(store().info().failed);
    // A range that reaches into it ends before it.
    std::array<Extent, 4> out;
    const auto used = world->run(store().snapshots().read(old, {Chunk{23}, 5}, out));
    ASSERT_TRUE(used);
    std::uint32_t chunks = 0;
    for (const Extent& e : std::span(out).first(*used)) {
        chunks += e.count;
    }
    EXPECT_EQ(chunks, 2U);
    // Nor can it be made writable in the snapshot: nobody knows what the rest of it is.
    EXPECT_EQ(world->run(store().snapshots().write(old, {Chunk{25}, 1}, out)).error().code, Errc::io_error);
    const auto checked = world->run(store().upkeep().check(true));
    ASSERT_TRUE(checked);
    EXPECT_TRUE(checked->damage.empty());
}

TEST_F(LostChunkTest, ItStaysLostAndTheStoreSaysSo)
{
    for (const int end : {0, 1, 2}) {
        begin();
        const SnapshotId id = take();
        world->origin().spoil_reads(std::uint64_t{7} * 4096);
        ASSERT_TRUE(write(7));
        if (end == 0) { // the journal alone knows
            world->power_cut();
        } else if (end == 1) {
            world->drain();
            EXPECT_EQ(newest().features.incompat, kIncompatLostChunks);
            world->kill();
        } else {
            ASSERT_TRUE(world->close());
        }
        ASSERT_TRUE(world->open()) << end;
        EXPECT_EQ(newest().features.incompat, kIncompatLostChunks);
        EXPECT_EQ(read(id, 7), kLost);
        EXPECT_EQ(store().snapshots().lost_chunks().size(), 1U);
        // With the snapshot goes the place, and with that the feature.
        ASSERT_TRUE(world->run(store().snapshots().remove(id)));
        world->run(store().upkeep().quiesce());
        EXPECT_EQ(store().info().lost_chunks, 0U);
        ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
        EXPECT_EQ(newest().features.incompat, 0U);
    }
}

TEST_F(LostChunkTest, ADeviceThatIsGoneTakesNothingFromSnapshots)
{
    begin();
    const SnapshotId id = take();
    world->origin().fail_request(1, true);
    const auto done = write(7, 3);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::io_error);
    world->origin().fail_request(0);
    EXPECT_EQ(store().info().lost_chunks, 0U);
    EXPECT_EQ(read(id, 7), 8);
    ASSERT_TRUE(write(7, 3));
    EXPECT_EQ(read(id, 7), 8);
}

TEST_F(LostChunkTest, OneErrorThatPassesTakesNothing)
{
    begin();
    const SnapshotId id = take();
    for (std::uint64_t nth = 1; nth < 5; ++nth) {
        world->origin().fail_request(nth);
        ASSERT_TRUE(write(10 * nth, 4));
        world->origin().fail_request(0);
        EXPECT_EQ(read(id, 10 * nth), static_cast<int>(10 * nth + 1));
    }
    EXPECT_EQ(store().info().lost_chunks, 0U);
}

TEST_F(LostChunkTest, SnapshotFirstFailsTheWrite)
{
    begin(true);
    (void)take();
    world->origin().spoil_reads(std::uint64_t{7} * 4096);
    EXPECT_EQ(write(7).error().code, Errc::io_error);
    EXPECT_EQ(store().info().lost_chunks, 0U);
}

// A store that shrinks, an origin that shrinks.
TEST_F(LostChunkTest, ResizesLeaveItLost)
{
    begin();
    const SnapshotId id = take();
    world->origin().spoil_reads(std::uint64_t{250} * 4096);
    ASSERT_TRUE(world->run(store().origin().resize(Sectors{std::uint64_t{240} * 8})));
    EXPECT_EQ(read(id, 250), kLost);
    EXPECT_EQ(read(id, 251), 252);
    world->kill();
    ASSERT_TRUE(world->open());
    EXPECT_EQ(read(id, 250), kLost);
    EXPECT_EQ(read(id, 251), 252);
}

// The leaf and the journal block that name it, byte for byte.
TEST_F(LostChunkTest, IsStoredAsTheSamplesSay)
{
    begin();
    const Superblock before = newest();
    (void)take();
    world->origin().spoil_reads(std::uint64_t{7} * 4096);
    ASSERT_TRUE(write(6, 2)); // a commit each: the run is divided
    const Block last = journal_block_of(before.ring, before.journal.start + 2);
    ASSERT_TRUE(world->run(store().upkeep().checkpoint()));
    const Superblock sb = newest();
    for (const auto& [name, block] :
         {std::pair{"journal-lost.hex", last}, std::pair{"leaf-lost.hex", sb.tree.root}}) {
        const auto now = world->store_disk().content().subspan(block_offset(block).value, kBlockSize.value);
        const auto stored = sample(name, {now.begin(), now.end()});
        ASSERT_TRUE(std::ranges::equal(stored, now)) << name;
        std::ranges::copy(stored, now.begin());
    }
    EXPECT_EQ(sb.features.incompat, 32U);
    world->kill();
    ASSERT_TRUE(world->open());
    EXPECT_EQ(read(SnapshotId{0}, 7), kLost);
}

} // namespace
} // namespace zumastor::test
