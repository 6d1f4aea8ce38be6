// SPDX-License-Identifier: GPL-2.0
// The façade, operation by operation.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

class StoreTest : public testing::Test {
protected:
    StoreTest() { open_new({}); }

    void open_new(const WorldConfig& config)
    {
        world = std::make_unique<SimWorld>(42, config);
        ASSERT_TRUE(world->initialize());
        const auto opened = world->open();
        ASSERT_TRUE(opened) << opened.error().what;
    }
    // 2 MiB for all that snapshots hold, and an origin that is not zeros.
    void open_small()
    {
        WorldConfig config;
        config.store = Bytes{2ULL << 20};
        open_new(config);
        fill_origin(1);
    }
    Store& store() { return world->store(); }
    void reopen()
    {
        ASSERT_TRUE(world->close());
        ASSERT_TRUE(world->open());
    }
    Result<SnapshotInfo> create(std::optional<std::uint64_t> id = {}, std::int8_t priority = 0)
    {
        CreateOptions options;
        if (id) {
            options.id = SnapshotId{*id};
        }
        options.priority = priority;
        return world->run(store().snapshots().create(options));
    }
    Result<void> copy(std::uint64_t first, std::uint32_t count)
    {
        return world->run(store().origin().write({Chunk{first}, count}));
    }
    void fill_origin(int value)
    {
        std::memset(world->origin().content().data(), value, world->origin().content().size());
    }
    std::vector<Extent> read(std::uint64_t id, std::uint64_t first, std::uint32_t count)
    {
        std::vector<Extent> out(64);
        const auto used = world->run(store().snapshots().read(SnapshotId{id}, {Chunk{first}, count}, out));
        out.resize(used.value_or(0));
        return out;
    }

    // Chunks of a snapshot that hold something else than `value` throughout; one that gives an error does not.
    std::uint64_t wrong_chunks(std::uint64_t id, std::uint32_t count, std::byte value)
    {
        const auto is_value = [value](std::byte b) { return b == value; };
        std::uint64_t wrong = 0;
        for (std::uint64_t c = 0; c < count; ++c) {
            for (const Extent& extent : read(id, c, 1)) {
                const bool stored = extent.kind == Extent::Kind::store;
                const std::uint64_t place = stored ? to_bytes(extent.sector).value : c * 4096;
                const auto bytes =
                    (stored ? world->store_disk() : world->origin()).content().subspan(place, 4096);
                const bool zeros = extent.kind == Extent::Kind::zero;
                wrong += zeros || !std::all_of(bytes.begin(), bytes.end(), is_value) ? 1U : 0U;
            }
        }
        return wrong;
    }

    std::unique_ptr<SimWorld> world;
};

TEST_F(StoreTest, EmptyStoreLetsEverythingPass)
{
    EXPECT_TRUE(store().origin().no_snapshots());
    EXPECT_TRUE(store().origin().writable({Chunk{0}, 256}));
    EXPECT_TRUE(copy(0, 256));
    EXPECT_EQ(store().counters().copied_chunks, 0U);
}

TEST_F(StoreTest, NumbersAreTheUsersAndNeverReused)
{
    EXPECT_EQ(create()->id.value, 0U);
    EXPECT_EQ(create(7)->id.value, 7U);
    EXPECT_EQ(create()->id.value, 8U);
    EXPECT_EQ(create(3)->id.value, 3U);
    EXPECT_EQ(create(7).error().code, Errc::exists);
    EXPECT_TRUE(world->run(store().snapshots().remove(SnapshotId{8})));
    EXPECT_EQ(create()->id.value, 9U);
    reopen();
    EXPECT_EQ(store().snapshots().next_id().value, 10U);
    EXPECT_EQ(store().snapshots().list().size(), 4U);
    EXPECT_EQ(store().epoch(), Epoch{6});
}

TEST_F(StoreTest, RangesAreChecked)
{
    ASSERT_TRUE(create());
    EXPECT_EQ(copy(0, 0).error().code, Errc::invalid);
    EXPECT_EQ(copy(256, 1).error().code, Errc::invalid);
    EXPECT_EQ(copy(255, 2).error().code, Errc::invalid);
    EXPECT_EQ(copy(~0ULL, 1).error().code, Errc::invalid);
    std::array<Extent, 1> out{};
    EXPECT_EQ(world->run(store().snapshots().read(SnapshotId{5}, {Chunk{0}, 1}, out)).error().code,
              Errc::not_found);
}

TEST_F(StoreTest, RunIsOneReadAndOneWrite)
{
    fill_origin(1);
    ASSERT_TRUE(create());
    ASSERT_TRUE(copy(10, 16));
    EXPECT_EQ(store().counters().origin_reads, 1U);
    EXPECT_EQ(store().counters().store_writes, 1U);
    EXPECT_EQ(store().counters().commits, 2U); // create, and all copies
    EXPECT_TRUE(store().origin().writable({Chunk{10}, 16}));
    EXPECT_FALSE(store().origin().writable({Chunk{10}, 17}));
    const auto extents = read(0, 8, 20);
    ASSERT_EQ(extents.size(), 3U);
    EXPECT_EQ(extents[0].kind, Extent::Kind::origin);
    EXPECT_EQ(extents[1].kind, Extent::Kind::store);
    EXPECT_EQ(extents[1].count, 16U);
    EXPECT_EQ(extents[2].kind, Extent::Kind::origin);
}

TEST_F(StoreTest, ZeroChunksAreNotWritten)
{
    ASSERT_TRUE(create());
    ASSERT_TRUE(copy(0, 64));
    EXPECT_EQ(store().counters().zero_chunks, 64U);
    EXPECT_EQ(store().counters().store_writes, 0U);
    EXPECT_EQ(store().info().free_chunks, store().info().store_chunks);
    EXPECT_EQ(read(0, 0, 64)[0].kind, Extent::Kind::zero);
}

TEST_F(StoreTest, ConcurrentRequestsShareOneCopy)
{
    fill_origin(1);
    ASSERT_TRUE(create());
    int done = 0;
    const auto ask = [](FramePool&, Store& s, int& count) -> Task<void> {
        const auto ok = co_await s.origin().write({Chunk{5}, 4});
        EXPECT_TRUE(ok);
        ++count;
    };
    for (int i = 0; i < 200; ++i) {
        spawn(world->frames(), ask(world->frames(), store(), done));
    }
    // NOLINTNEXTLINE(bugprone-infinite-loop): the coroutines change it
    while (done < 200) {
        world->step();
    }
    EXPECT_EQ(store().counters().copied_chunks, 4U);
    EXPECT_EQ(store().counters().origin_reads, 1U);
}

TEST_F(StoreTest, OddOriginIsPaddedWithZeros)
{
    WorldConfig config;
    config.origin = Bytes{(1ULL << 20) + 1536};
    config.chunk_shift = 14;
    open_new(config);
    fill_origin(9);
    ASSERT_TRUE(create());
    ASSERT_TRUE(copy(64, 1));
    const auto extents = read(0, 64, 1);
    ASSERT_EQ(extents.size(), 1U);
    const auto data = world->store_disk().content().subspan(to_bytes(extents[0].sector).value, 16384);
    for (std::size_t i = 0; i < data.size(); ++i) {
        ASSERT_EQ(data[i], std::byte{static_cast<unsigned char>(i < 1536 ? 9 : 0)}) << i;
    }
}

TEST_F(StoreTest, PriorityUseCountAndAttachmentsAreKept)
{
    ASSERT_TRUE(create(1));
    ASSERT_TRUE(world->run(store().snapshots().set_priority(SnapshotId{1}, -128)));
    EXPECT_EQ(*world->run(store().snapshots().add_use(SnapshotId{1}, 3)), 3U);
    EXPECT_EQ(*world->run(store().snapshots().add_use(SnapshotId{1}, -1)), 2U);
    EXPECT_EQ(world->run(store().snapshots().add_use(SnapshotId{1}, -3)).error().code, Errc::invalid);
    EXPECT_EQ(world->run(store().snapshots().remove(SnapshotId{1})).error().code, Errc::busy);
    Attachment a;
    a.client.fill(std::byte{1});
    a.name = "vg-vol";
    a.start_time = 99;
    Attachment b = a;
    b.client.fill(std::byte{2});
    ASSERT_TRUE(world->run(store().clients().attach(a)));
    ASSERT_TRUE(world->run(store().clients().attach(b)));
    a.minor = 5;
    ASSERT_TRUE(world->run(store().clients().attach(a)));
    ASSERT_TRUE(world->run(store().clients().detach(b.client)));
    EXPECT_EQ(world->run(store().clients().detach(b.client)).error().code, Errc::not_found);
    for (const bool crash : {true, false}) {
        if (crash) {
            world->power_cut();
            ASSERT_TRUE(world->open());
        } else {
            reopen();
        }
        const auto info = store().snapshots().find(SnapshotId{1});
        ASSERT_TRUE(info);
        EXPECT_EQ(info->priority, -128);
        EXPECT_EQ(info->use_count, 2U);
        ASSERT_EQ(store().clients().attachments().size(), 1U);
        EXPECT_EQ(store().clients().attachments()[0].minor, 5U);
        EXPECT_EQ(store().clients().attachments()[0].name, "vg-vol");
        EXPECT_EQ(store().clients().attachments()[0].start_time, 99U);
    }
}

TEST_F(StoreTest, RemovedSnapshotsGiveTheirSpaceBack)
{
    fill_origin(1);
    ASSERT_TRUE(create(0));
    ASSERT_TRUE(copy(0, 200));
    ASSERT_TRUE(create(1));
    ASSERT_TRUE(copy(100, 100));
    ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{0})));
    world->run(store().upkeep().quiesce());
    EXPECT_EQ(store().info().exceptions, 100U);
    ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{1})));
    world->run(store().upkeep().quiesce());
    EXPECT_EQ(store().info().exceptions, 0U);
    EXPECT_EQ(store().info().free_chunks, store().info().store_chunks);
    EXPECT_FALSE(store().info().sweeping);
}

TEST_F(StoreTest, FullStoreSquashesTheLowestPriority)
{
    WorldConfig config;
    config.store = Bytes{2ULL << 20};
    open_new(config);
    const auto chunks = store().info().store_chunks;
    ASSERT_LT(chunks, 250U);
    fill_origin(1);
    ASSERT_TRUE(create(1, 10));
    ASSERT_TRUE(copy(0, 100));
    ASSERT_TRUE(create(2, -5));
    ASSERT_TRUE(copy(0, static_cast<std::uint32_t>(chunks - 100)));
    ASSERT_TRUE(create(3, 127));
    ASSERT_TRUE(copy(0, 20));
    EXPECT_EQ(world->squashed_ids, (std::vector<SnapshotId>{SnapshotId{2}}));
    EXPECT_EQ(store().snapshots().find(SnapshotId{2})->state, SnapshotState::squashed);
    EXPECT_TRUE(read(2, 0, 1).empty());
    ASSERT_TRUE(copy(0, 150)); // not room enough: 1 goes, too
    EXPECT_EQ(world->squashed_ids.size(), 2U);
    EXPECT_EQ(copy(0, 250).error().code, Errc::no_space); // 3 is pinned
    EXPECT_EQ(store().snapshots().find(SnapshotId{3})->state, SnapshotState::normal);
    const auto report = world->run(store().upkeep().check(true));
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->damage.empty());
    ASSERT_TRUE(world->run(store().snapshots().remove(SnapshotId{3})));
    EXPECT_TRUE(copy(0, 250));
}

TEST_F(StoreTest, SpaceOfSquashedWaitsForRelease)
{
    WorldConfig config;
    config.store = Bytes{2ULL << 20};
    open_new(config);
    world->squashed_space = Release::awaited;
    fill_origin(1);
    ASSERT_TRUE(create(1));
    const auto chunks = static_cast<std::uint32_t>(store().info().store_chunks);
    ASSERT_TRUE(copy(0, chunks));
    ASSERT_TRUE(create(2));
    bool done = false;
    const auto ask = [](FramePool&, Store& s, bool& ended) -> Task<void> {
        const auto ok = co_await s.origin().write({Chunk{0}, 10});
        EXPECT_TRUE(ok);
        ended = true;
    };
    spawn(world->frames(), ask(world->frames(), store(), done));
    for (int i = 0; i < 2000; ++i) {
        world->step();
    }
    EXPECT_FALSE(done);
    EXPECT_EQ(world->squashed_ids.size(), 1U);
    EXPECT_EQ(store().info().free_chunks, 0U);
    world->squashed_space = Release::done;
    store().clients().space_released(SnapshotId{1});
    // NOLINTNEXTLINE(bugprone-infinite-loop): the coroutines change it
    while (!done) {
        world->step();
    }
    EXPECT_EQ(world->squashed_ids.size(), 1U);
}

// A client that will not be proven gone must not stop the origin: the next snapshot's space is taken.
TEST_F(StoreTest, OverdueSpaceOfSquashedIsNotWaitedFor)
{
    open_small();
    ASSERT_TRUE(create(1));
    const auto chunks = static_cast<std::uint32_t>(store().info().store_chunks);
    ASSERT_TRUE(copy(0, chunks / 2));
    ASSERT_TRUE(create(2));
    ASSERT_TRUE(copy(chunks / 2, chunks - chunks / 2));
    ASSERT_TRUE(create(3));
    world->squashed_space = Release::overdue;
    EXPECT_TRUE(copy(0, 1));
    EXPECT_GE(world->squashed_ids.size(), 2U);
    EXPECT_EQ(world->squashed_ids.front(), SnapshotId{1});
    // None of the held space is in use again.
    EXPECT_EQ(store().snapshots().state_of(SnapshotId{1}), SnapshotState::squashed);
}

// With no snapshot left that shares anything, nothing is copied, and nothing is waited for.
TEST_F(StoreTest, OverdueSpaceOfAllSnapshotsLetsTheOriginBeWritten)
{
    open_small();
    ASSERT_TRUE(create(1));
    ASSERT_TRUE(copy(0, static_cast<std::uint32_t>(store().info().store_chunks)));
    world->squashed_space = Release::overdue;
    EXPECT_TRUE(copy(static_cast<std::uint32_t>(store().info().store_chunks), 1));
    EXPECT_EQ(store().info().free_chunks, 0U);
    EXPECT_TRUE(store().origin().no_snapshots());
}

TEST_F(StoreTest, FailedOriginReadIsThatRequestsErrorOnly)
{
    ASSERT_TRUE(create());
    world->origin().fail_request(1, true);
    EXPECT_EQ(copy(0, 4).error().code, Errc::io_error);
    world->origin().fail_request(0);
    EXPECT_FALSE(store().origin().writable({Chunk{0}, 1}));
    EXPECT_TRUE(copy(0, 4));
    EXPECT_FALSE(store().info().failed);
}

TEST_F(StoreTest, DamagedCopyIsNeverServed)
{
    fill_origin(1);
    ASSERT_TRUE(create(1));
    ASSERT_TRUE(copy(0, 8));
    reopen();
    const auto before = world->store_disk().content();
    const auto extents = read(1, 0, 8);
    ASSERT_EQ(extents.size(), 1U);
    before[to_bytes(extents[0].sector).value + 3ULL * 4096 + 5] ^= std::byte{1};
    reopen();
    std::array<Extent, 4> out{};
    const auto got = world->run(store().snapshots().read(SnapshotId{1}, {Chunk{0}, 8}, out));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::corrupt);
    EXPECT_EQ(got.error().where, to_bytes(extents[0].sector).value + 3ULL * 4096);
    EXPECT_TRUE(world->run(store().snapshots().read(SnapshotId{1}, {Chunk{0}, 3}, out)));
    const auto report = world->run(store().upkeep().check(true));
    ASSERT_TRUE(report);
    ASSERT_EQ(report->damage.found(), 1U);
    EXPECT_EQ(report->damage.listed()[0].chunk, Chunk{3});
}

// All is counted; a list of all could be longer than there is memory for.
TEST_F(StoreTest, DamageIsListedUpToALimit)
{
    WorldConfig config;
    config.origin = Bytes{8ULL << 20};
    config.store = Bytes{16ULL << 20};
    open_new(config);
    fill_origin(1);
    ASSERT_TRUE(create(1));
    ASSERT_TRUE(copy(0, 1024));
    ASSERT_TRUE(copy(1024, 76));
    for (std::uint64_t c = 0; c < 1100; ++c) {
        const auto places = read(1, c, 1);
        ASSERT_EQ(places.size(), 1U);
        world->store_disk().content()[to_bytes(places[0].sector).value] ^= std::byte{1};
    }
    const auto report = world->run(store().upkeep().check(true));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->damage.found(), 1100U);
    EXPECT_EQ(report->damage.listed().size(), DamageList::kMostListed);
}

// Every block in turn is destroyed: open() refuses or recovers, check() names the place, and no snapshot shows
// anything that it does not hold.
TEST_F(StoreTest, DamagedMetadataNeverCrashesNorLies)
{
    fill_origin(1);
    ASSERT_TRUE(create(1));
    ASSERT_TRUE(copy(0, 256));
    fill_origin(2);
    ASSERT_TRUE(create(2));
    ASSERT_TRUE(copy(0, 256));
    fill_origin(3);
    store().upkeep().tick(); // seals the last commit: damage to it is no torn tail from now on
    world->drain();
    world->power_cut(); // with a journal to replay
    const auto content = world->store_disk().content();
    const std::vector<std::byte> good(content.begin(), content.end());
    for (std::size_t block = 0; block < 400; ++block) {
        std::copy(good.begin(), good.end(), content.begin());
        for (std::size_t i = 0; i < 64; ++i) {
            content[block * 4096 + world->random()() % 4096] ^=
                static_cast<std::byte>(1 + world->random()() % 255);
        }
        const auto opened = world->open();
        const auto report = world->run(store().upkeep().check(false));
        if (!opened) {
            EXPECT_EQ(opened.error().code, Errc::corrupt) << block;
            ASSERT_TRUE(report) << block;
            EXPECT_FALSE(report->damage.empty()) << block;
        } else {
            EXPECT_TRUE(report && store().snapshots().list().size() == 2U) << block;
            EXPECT_EQ(wrong_chunks(1, 256, std::byte{1}), 0U) << block;
            EXPECT_EQ(wrong_chunks(2, 256, std::byte{2}), 0U) << block;
        }
    }
}

TEST_F(StoreTest, ProbeAndMismatch)
{
    const auto info = world->run(Store::probe(world->frames(), world->store_disk()));
    ASSERT_TRUE(info);
    EXPECT_EQ(info->uuid, world->format().uuid);
    EXPECT_EQ(world->run(Store::probe(world->frames(), world->origin())).error().code, Errc::not_a_store);
    WorldConfig config;
    config.meta = Bytes{4ULL << 20};
    open_new(config);
    ASSERT_TRUE(world->close());
    Store alone({&world->origin(), &world->meta_disk(), nullptr}, config.store_config, *world);
    EXPECT_EQ(world->run(alone.open()).error().code, Errc::mismatch);
}

// Memory for nodes that does for everything else must not be too little for a step of the sweep.
// Whoever asks whose store it is (the daemon, for its witness) must not be told less than open() finds.
TEST_F(StoreTest, ProbeNeedsOneCopyOfTheSuperblock)
{
    for (const std::uint64_t copy : {1U, 16U}) {
        world->store_disk().spoil_reads(copy * 4096);
        const auto found = world->run(Store::probe(world->frames(), world->store_disk()));
        EXPECT_TRUE(found) << copy;
        world->store_disk().heal();
    }
    world->store_disk().spoil_reads(4096);
    world->store_disk().spoil_reads(std::uint64_t{16} * 4096);
    EXPECT_EQ(world->run(Store::probe(world->frames(), world->store_disk())).error().code, Errc::io_error);
}

TEST_F(StoreTest, SweepsATreeLargerThanTheCache)
{
    WorldConfig config;
    config.origin = Bytes{4ULL << 20};
    config.store = Bytes{32ULL << 20}; // zeros are copied out: they need no more
    config.store_config.node_cache = Bytes{256ULL << 10};
    for (std::uint32_t chunks = 128; chunks <= 1024; chunks += 128) { // trees of many sizes
        open_new(config);
        for (std::uint64_t i = 0; i < 12; ++i) {
            ASSERT_TRUE(create());
            ASSERT_TRUE(copy(0, chunks));
        }
        for (const SnapshotInfo& info : store().snapshots().list()) {
            ASSERT_TRUE(world->run(store().snapshots().remove(info.id)));
        }
        world->run(store().upkeep().quiesce());
        EXPECT_EQ(store().info().exceptions, 0U) << chunks;
    }
}

} // namespace
} // namespace zumastor::test
