// SPDX-License-Identifier: GPL-2.0
// A store knows its origin again: by content as long as it has snapshots, by its identity otherwise.
#include <algorithm>

#include <gtest/gtest.h>

#include "format/block.h"
#include "format/origin_record.h"
#include "format/superblock.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

constexpr const char* kOne = "wwid=naa.1 fs=1111";
constexpr const char* kTwo = "wwid=naa.2 fs=2222";

class OriginCheckTest : public testing::Test {
protected:
    void begin(const std::string& identity = {})
    {
        WorldConfig config;
        config.journal = Bytes{256ULL << 10}; // no checkpoint by itself
        config.store_config.origin_identity = identity;
        world = std::make_unique<SimWorld>(5, config);
        fill(1);
        ASSERT_TRUE(world->initialize());
        ASSERT_TRUE(world->open());
    }
    // As if written by another program: a disk's content that depends on the seed everywhere.
    void fill(unsigned seed)
    {
        const auto content = world->origin().content();
        for (std::size_t i = 0; i < content.size(); ++i) {
            content[i] = static_cast<std::byte>(i / 4096 * 7 + seed);
        }
    }
    SnapshotId take()
    {
        const auto info = world->run(world->store().snapshots().create({}));
        EXPECT_TRUE(info);
        return info ? info->id : SnapshotId{};
    }
    // Until it remembers what it can.
    void sample()
    {
        for (int i = 0; i < 2000; ++i) {
            world->store().upkeep().tick(true);
            world->drain();
        }
    }
    void write(std::uint64_t chunk)
    {
        ASSERT_TRUE(world->run(world->store().origin().write({Chunk{chunk}, 1})));
        const auto content = world->origin().content().subspan(chunk * 4096, 4096);
        std::fill(content.begin(), content.end(), std::byte{0xee});
    }
    Result<OpenReport> open_with(const std::string& identity, OtherOrigin policy = OtherOrigin::refuse)
    {
        observer = std::make_unique<SimWorld>(6, WorldConfig{}); // logs nothing
        world->origin().restore();
        world->store_disk().restore();
        StoreConfig config = world->config().store_config;
        config.origin_identity = identity;
        config.other_origin = policy;
        store = std::make_unique<Store>(world->devices(), config, *observer);
        return world->run(store->open());
    }
    void close()
    {
        ASSERT_TRUE(world->run(store->close()));
        store.reset();
    }

    std::unique_ptr<SimWorld> world;
    std::unique_ptr<SimWorld> observer;
    std::unique_ptr<Store> store;
};

TEST_F(OriginCheckTest, AnotherOriginIsRefusedByItsContent)
{
    for (const bool in_order : {true, false}) {
        begin();
        take();
        sample();
        EXPECT_EQ(world->store().info().origin_samples, kOriginSamples);
        if (in_order) {
            ASSERT_TRUE(world->close());
        } else {
            world->kill();
        }
        fill(2);
        const auto before =
            std::vector(world->store_disk().content().begin(), world->store_disk().content().end());
        const auto opened = open_with("");
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, Errc::other_origin);
        store.reset();
        EXPECT_TRUE(std::equal(before.begin(), before.end(), world->store_disk().content().begin()));
        fill(1);
        const auto right = open_with("");
        ASSERT_TRUE(right);
        EXPECT_GE(right->origin_compared, 48U);
        EXPECT_EQ(right->origin_differing, 0U);
        close();
    }
}

// Whatever was written, and however the last life ended: the right one is never refused.
TEST_F(OriginCheckTest, WhatWasWrittenSinceDoesNotCount)
{
    for (const int end : {0, 1, 2}) {
        begin(kOne);
        take();
        sample();
        for (std::uint64_t chunk = 0; chunk < 200; ++chunk) {
            write(chunk);
        }
        if (end == 0) {
            ASSERT_TRUE(world->close());
        } else if (end == 1) {
            world->kill();
        } else {
            ASSERT_TRUE(world->run(world->store().upkeep().checkpoint()));
            world->power_cut();
        }
        const auto opened = open_with(kOne);
        ASSERT_TRUE(opened);
        EXPECT_EQ(opened->origin_differing, 0U);
        EXPECT_GT(opened->origin_compared, 0U);
        close();
    }
}

// All of it was written without a copy, as it may be when the snapshot is gone.
TEST_F(OriginCheckTest, ASnapshotThatIsGoneSaysNothing)
{
    begin(kOne);
    const SnapshotId id = take();
    sample();
    ASSERT_TRUE(world->run(world->store().snapshots().remove(id)));
    fill(3);
    world->kill();
    const auto opened = open_with(kOne);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->origin_compared, 0U);
    close();
}

TEST_F(OriginCheckTest, WithoutSnapshotsTheDeviceDecides)
{
    begin(kOne);
    ASSERT_TRUE(world->close());
    EXPECT_EQ(open_with(kTwo).error().code, Errc::other_origin);
    EXPECT_EQ(store->origin().identity(), kOne);
    EXPECT_EQ(open_with("wwid=naa.2 fs=1111").error().code, Errc::other_origin); // a clone
    EXPECT_TRUE(open_with("wwid=naa.1 fs=2222"));                                // a new filesystem
    close();
    EXPECT_TRUE(open_with("")); // nobody knows
    close();
    EXPECT_TRUE(open_with("wwid=naa.1 fs=2222"));
    close();
    EXPECT_EQ(open_with("fs=3333").error().code, Errc::other_origin); // all that is known of it
    EXPECT_TRUE(open_with("serial=3 fs=2222"));                       // through another controller
    close();
}

TEST_F(OriginCheckTest, ACopyWithTheSameContentIsTheSame)
{
    begin(kOne);
    take();
    sample();
    ASSERT_TRUE(world->close());
    const auto opened = open_with(kTwo);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->origin_renamed);
    EXPECT_FALSE(opened->origin_accepted);
    EXPECT_EQ(store->origin().identity(), kTwo);
    close();
    EXPECT_FALSE(open_with(kTwo)->origin_renamed);
    close();
}

TEST_F(OriginCheckTest, OneThatIsMeantKeepsOrLosesTheSnapshots)
{
    for (const bool keep : {true, false}) {
        begin(kOne);
        const SnapshotId id = take();
        sample();
        ASSERT_TRUE(world->close());
        fill(2);
        const auto policy = keep ? OtherOrigin::keep_snapshots : OtherOrigin::lose_snapshots;
        const auto opened = open_with(kTwo, policy);
        ASSERT_TRUE(opened);
        EXPECT_TRUE(opened->origin_accepted);
        EXPECT_EQ(opened->lost, keep ? 0U : 1U);
        close();
        const auto again = open_with(kTwo); // for good
        ASSERT_TRUE(again);
        EXPECT_FALSE(again->origin_accepted);
        EXPECT_EQ(store->snapshots().state_of(id), keep ? SnapshotState::normal : SnapshotState::squashed);
        close();
        // The right one, and the option: nothing is lost.
        begin(kOne);
        take();
        sample();
        ASSERT_TRUE(world->close());
        EXPECT_EQ(open_with(kOne, policy)->lost, 0U);
        close();
    }
}

// A bad sector, or what somebody wrote past the volume: told, and no reason to keep the volume down.
TEST_F(OriginCheckTest, AFewDifferencesAreTold)
{
    begin();
    take();
    sample();
    ASSERT_TRUE(world->close());
    const auto content = world->origin().content();
    std::fill(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(content.size() / 4),
              std::byte{0x55});
    const auto opened = open_with("");
    ASSERT_TRUE(opened);
    EXPECT_GT(opened->origin_differing, 0U);
    EXPECT_LT(opened->origin_differing, opened->origin_compared / 2);
    close();
}

TEST_F(OriginCheckTest, WhatCannotBeReadSaysNothing)
{
    begin();
    take();
    sample();
    ASSERT_TRUE(world->close());
    fill(2);
    for (std::uint64_t at = 0; at < world->origin().content().size(); at += 4096) {
        world->origin().spoil_reads(at);
    }
    const auto opened = open_with("");
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->origin_compared, 0U);
    close();
}

TEST_F(OriginCheckTest, ADiskOfZerosIsNotRemembered)
{
    begin();
    const auto content = world->origin().content();
    std::fill(content.begin(), content.end(), std::byte{0});
    take();
    sample();
    EXPECT_EQ(world->store().info().origin_samples, 0U);
    const auto checkpoints = world->store().counters().checkpoints;
    sample();
    EXPECT_EQ(world->store().counters().checkpoints, checkpoints);
}

// What the disk has after a resize is not what it had.
TEST_F(OriginCheckTest, AnOriginThatShrankAndGrew)
{
    begin(kOne);
    take();
    sample();
    const Sectors all{world->origin().size().value / 512};
    ASSERT_TRUE(world->run(world->store().origin().resize(Sectors{all.value / 8})));
    world->kill();
    const auto content = world->origin().content();
    std::fill(content.begin() + static_cast<std::ptrdiff_t>(content.size() / 8), content.end(), std::byte{9});
    auto opened = open_with(kOne);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->origin_differing, 0U);
    ASSERT_TRUE(world->run(store->origin().resize(all)));
    close();
    opened = open_with(kOne);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->origin_differing, 0U);
    close();
}

TEST(OriginRecord, IdentitiesAreComparedByKind)
{
    struct Pair {
        const char* before;
        const char* now;
        Likeness wanted;
    };
    constexpr std::array kPairs{
        Pair{"", "", Likeness::unknown},
        Pair{"a=1", "", Likeness::unknown},
        Pair{"a=1", "b=1", Likeness::unknown},
        Pair{"a=1", "a=1", Likeness::same},
        Pair{"a=1", "a=2", Likeness::other},
        Pair{"a=1 b=2", "b=2", Likeness::same},
        Pair{"a=1 b=2", "b=2 a=3", Likeness::other},
        Pair{"fs=1", "fs=1", Likeness::same},
        Pair{"fs=1", "fs=2", Likeness::other},
        Pair{"fs=1 a=1", "fs=2 a=1", Likeness::same},
        Pair{"fs=1 a=1", "fs=1 a=2", Likeness::other},
        Pair{"  word a=1 ", "word  a=1", Likeness::same},
    };
    for (const Pair& pair : kPairs) {
        EXPECT_EQ(compare_identities(pair.before, pair.now), pair.wanted) << pair.before << " | " << pair.now;
    }
}

TEST(OriginRecord, AnIdentityThatIsTooLongEndsWithAWord)
{
    OriginRecord record;
    record.set_identity(std::string("a=1 b=") + std::string(300, 'x'));
    EXPECT_EQ(record.identity_text(), "a=1");
    record.set_identity(std::string(300, 'x'));
    EXPECT_EQ(record.identity_text(), "");
    record.set_identity(std::string(kOriginIdentity, 'x'));
    EXPECT_EQ(record.identity_text(), "");
    record.set_identity(std::string(kOriginIdentity - 1, 'x'));
    EXPECT_EQ(record.identity_text(), std::string(kOriginIdentity - 1, 'x'));
}

} // namespace
} // namespace zumastor::test
