// SPDX-License-Identifier: GPL-2.0
// The Nth request of a device fails, for N = 1, 2, … until a whole run needs no more: each operation ends
// (with an error or not), nothing acknowledged is lost, and a new open() finds a sound store.
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

// True if the fault was reached. `surprise`: what went wrong.
bool run_with_fault(std::uint64_t nth, bool forever, Which which, std::string& surprise)
{
    WorldConfig config;
    config.meta = which == Which::meta ? Bytes{4ULL << 20} : Bytes{};
    config.journal = Bytes{64ULL << 10};
    SimWorld world(nth, config);
    StoreModel model(world);
    if (!world.initialize() || !world.open()) {
        surprise = "no store";
        return false;
    }
    model.create();
    model.allow_errors = true;
    SimDisk& disk = disk_of(world, which);
    disk.fail_request(nth, forever);
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
    world.kill();
    const auto opened = world.open();
    if (!opened) {
        surprise = opened.error().what;
        return reached;
    }
    model.settle();
    surprise = model.compare();
    return reached;
}

void run_until_no_fault(Which which, bool forever)
{
    std::uint64_t nth = 1;
    for (bool reached = true; reached; nth += 1 + nth / 16) {
        std::string surprise;
        reached = run_with_fault(nth, forever, which, surprise);
        ASSERT_EQ(surprise, "") << "request " << nth;
    }
    EXPECT_GT(nth, 20U);
}

TEST(StoreErrorTest, OneOriginErrorAtEachRequest) { run_until_no_fault(Which::origin, false); }
TEST(StoreErrorTest, OneStoreErrorAtEachRequest) { run_until_no_fault(Which::store, false); }
TEST(StoreErrorTest, StoreFailsForeverFromEachRequest) { run_until_no_fault(Which::store, true); }
TEST(StoreErrorTest, MetadataDeviceFailsFromEachRequest) { run_until_no_fault(Which::meta, true); }

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
    model.settle();
    EXPECT_EQ(model.compare(), "");
}

} // namespace
} // namespace zumastor::test
