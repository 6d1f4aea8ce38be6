// SPDX-License-Identifier: GPL-2.0
// The Nth request of a device fails, for N = 1, 2, … until a whole run needs no more: each operation ends
// (with an error or not), nothing acknowledged is lost, and a new open() finds a sound store.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/store_model.h"

namespace zumastor::test {
namespace {

enum class Which { origin, store, meta };

SimDisk& disk_of(SimWorld& world, Which which)
{
    return which == Which::origin  ? world.origin()
           : which == Which::store ? world.store_disk()
                                   : world.meta_disk();
}

struct Fault {
    Which which = Which::origin;
    bool forever = false;
    bool separate_meta = false;
    bool witness = false;
    bool snapshot_first = false;
};

// What became of the runs of a loop.
struct Outcome {
    std::uint64_t given_up = 0; // the snapshots were lost
    std::uint64_t refused = 0;  // the store failed, and they were not
};

// May this error follow from a fault that was injected? Each other one is a needless failure.
bool follows(const StoreInfo& store, const Fault& fault, std::string_view operation, Errc code)
{
    if (store.failed) {
        // Origin first: with the loss recorded, the origin is written without the store.
        return operation != "origin write" || !store.given_up;
    }
    // The store lives on: what could not be read is an error of who wanted to read it, and a snapshot needs a
    // flush of its origin.
    const bool reads = operation == "snapshot read" || operation == "snapshot write";
    const bool origin_fails =
        fault.which == Which::origin &&
        (operation == "create" || (fault.snapshot_first && operation == "origin write"));
    return code == Errc::io_error && fault.which != Which::meta && (reads || origin_fails);
}

// True if the fault was reached. `surprise`: what went wrong.
bool run_with_fault(std::uint64_t nth, const Fault& fault, Outcome& outcome, std::string& surprise)
{
    WorldConfig config;
    config.meta = fault.which == Which::meta || fault.separate_meta ? Bytes{4ULL << 20} : Bytes{};
    config.journal = Bytes{64ULL << 10};
    config.witness = fault.witness;
    config.store_config.snapshot_first = fault.snapshot_first;
    SimWorld world(nth, config);
    StoreModel model(world);
    if (!world.initialize() || !world.open()) {
        surprise = "no store";
        return false;
    }
    model.create();
    SimDisk& disk = disk_of(world, fault.which);
    model.excused = [&](std::string_view operation, const Error& error) {
        return disk.fault_injected() && follows(world.store().info(), fault, operation, error.code);
    };
    disk.fail_request(nth, fault.forever);
    for (int i = 0; i < 400; ++i) {
        if (model.under_way() < 12) {
            model.start_random();
        }
        if (!world.pump()) {
            world.step();
        }
    }
    while (model.under_way() > 0) {
        world.step(); // every operation ends
    }
    disk.fail_request(0);
    const bool reached = disk.fault_injected();
    if (surprise = model.surprise; !surprise.empty()) {
        return reached;
    }
    const StoreInfo before = world.store().info();
    outcome.given_up += before.given_up ? 1U : 0U;
    outcome.refused += before.failed && !before.given_up ? 1U : 0U;
    if (before.given_up && (before.snapshots != 0 || fault.snapshot_first)) {
        surprise = "snapshots are given up and there";
        return reached;
    }
    world.kill();
    const auto opened = world.open();
    if (!opened) {
        surprise = opened.error().what;
        return reached;
    }
    if (before.given_up && world.store().info().snapshots != 0) {
        surprise = "snapshots that were given up are valid again";
        return reached;
    }
    model.reconcile();
    surprise = model.compare();
    return reached;
}

// Sectors of the journal cannot be written. They cost nothing: no snapshot, no write, in this life or the
// next.
std::string run_with_bad_journal(std::uint64_t seed)
{
    WorldConfig config;
    config.meta = seed % 2 == 0 ? Bytes{4ULL << 20} : Bytes{};
    config.journal = Bytes{64ULL << 10};
    SimWorld world(seed, config);
    StoreModel model(world);
    if (!world.initialize() || !world.open()) {
        return "no store";
    }
    world.meta_disk().spoil_writes((32 + seed % 16) * 4096 + seed % 8 * 512);
    world.meta_disk().spoil_writes((32 + (seed / 16 + 7 * seed) % 16) * 4096);
    for (int life = 0; life < 4; ++life) {
        model.create();
        for (int i = 0; i < 300; ++i) {
            if (model.under_way() < 12) {
                model.start_random();
            }
            if (!world.pump()) {
                world.step();
            }
        }
        if (world.store().info().failed) {
            return "the store has failed";
        }
        if (life % 2 == 0) {
            world.power_cut();
        } else {
            world.kill();
        }
        if (const auto opened = world.open(); !opened) {
            return opened.error().what;
        }
        model.reconcile();
        if (std::string wrong = model.compare(); !wrong.empty()) {
            return wrong;
        }
    }
    return "";
}

Outcome run_until_no_fault(const Fault& fault)
{
    Outcome outcome;
    std::uint64_t nth = 1;
    for (bool reached = true; reached; nth += 1 + nth / 16) {
        std::string surprise;
        reached = run_with_fault(nth, fault, outcome, surprise);
        EXPECT_EQ(surprise, "") << "request " << nth;
        if (!surprise.empty()) {
            break;
        }
    }
    EXPECT_GT(nth, 20U);
    return outcome;
}

TEST(StoreErrorTest, OneOriginErrorAtEachRequest)
{
    const Outcome outcome = run_until_no_fault({.which = Which::origin});
    EXPECT_EQ(outcome.given_up + outcome.refused, 0U); // the store has not failed
}

// Origin first: the snapshots are lost, and stay so.
TEST(StoreErrorTest, OneStoreErrorAtEachRequest)
{
    const Outcome outcome = run_until_no_fault({.which = Which::store});
    EXPECT_GT(outcome.given_up, 0U); // the superblock has taken the record
}

TEST(StoreErrorTest, StoreFailsForeverFromEachRequest)
{
    const Outcome outcome = run_until_no_fault({.which = Which::store, .forever = true, .witness = true});
    EXPECT_GT(outcome.given_up, 0U);
}

// Nothing takes the record: writes fail, the snapshots stay what they are.
TEST(StoreErrorTest, WithoutAPlaceForTheRecordNothingIsGivenUp)
{
    const Outcome outcome = run_until_no_fault({.which = Which::store, .forever = true});
    EXPECT_EQ(outcome.given_up, 0U);
    EXPECT_GT(outcome.refused, 0U);
}

TEST(StoreErrorTest, StoreFailsBesideItsMetadataDevice)
{
    const Outcome outcome =
        run_until_no_fault({.which = Which::store, .forever = true, .separate_meta = true});
    EXPECT_GT(outcome.given_up, 0U);
}

TEST(StoreErrorTest, MetadataDeviceFailsFromEachRequest)
{
    const Outcome outcome = run_until_no_fault({.which = Which::meta, .forever = true, .witness = true});
    EXPECT_GT(outcome.given_up, 0U);
}

// Snapshot first: nothing is ever lost.
TEST(StoreErrorTest, SnapshotFirstKeepsTheSnapshots)
{
    for (const Which which : {Which::store, Which::meta}) {
        for (const bool forever : {false, true}) {
            const Outcome outcome = run_until_no_fault(
                {.which = which, .forever = forever, .witness = true, .snapshot_first = true});
            EXPECT_GT(outcome.refused, 0U);
        }
    }
}

// The same for open() itself: it reports the error, and the next one succeeds.
TEST(StoreErrorTest, OpenWithEachRequestFailing)
{
    SimWorld world(5);
    StoreModel model(world);
    ASSERT_TRUE(world.initialize());
    ASSERT_TRUE(world.open());
    model.create();
    for (int i = 0; i < 200; ++i) {
        model.start_random();
        world.pump();
    }
    world.power_cut();
    bool reached = true;
    for (std::uint64_t nth = 1; reached; ++nth) {
        world.store_disk().restore();
        world.store_disk().fail_request(nth, true);
        const auto opened = world.open();
        reached = !opened;
        world.store_disk().fail_request(0);
        world.kill();
    }
    ASSERT_TRUE(world.open());
    model.reconcile();
    EXPECT_EQ(model.compare(), "");
}

TEST(StoreErrorTest, SectorsOfTheJournalArePassedOver)
{
    for (std::uint64_t seed = 1; seed <= 48; ++seed) {
        EXPECT_EQ(run_with_bad_journal(seed), "") << seed;
    }
}

// What has failed is told with its place (I7), by the first error and by all that follow from it.
TEST(StoreErrorTest, AFailureKeepsItsPlace)
{
    WorldConfig config;
    config.meta = Bytes{4ULL << 20};
    config.store_config.snapshot_first = true;
    SimWorld world(1, config);
    ASSERT_TRUE(world.initialize());
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run(world.store().snapshots().create({})));
    const auto content = world.origin().content();
    std::fill(content.begin(), content.end(), std::byte{1}); // not zeros, which need no store
    EXPECT_EQ(world.store().info().failure_where, 0U);
    world.store_disk().fail_request(1, true);
    const auto first = world.run(world.store().origin().write({Chunk{0}, 1}));
    const StoreInfo info = world.store().info();
    ASSERT_FALSE(first);
    ASSERT_TRUE(info.failed);
    EXPECT_GT(info.failure_where, 0U);
    EXPECT_LT(info.failure_where, info.store_size.value);
    EXPECT_EQ(first.error().where, info.failure_where);
    const auto next = world.run(world.store().snapshots().create({}));
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().where, info.failure_where);
}

} // namespace
} // namespace zumastor::test
