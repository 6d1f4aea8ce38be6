// SPDX-License-Identifier: GPL-2.0
#include "tests/support/store_lives.h"

namespace zumastor::test {

namespace {

// One life of the world: operations until the end of the life, which is a cut, a kill or a close.
std::string live(SimWorld& world, StoreModel& model, LivesReport& report)
{
    Random& random = world.random();
    const std::uint64_t steps = random() % 600;
    for (std::uint64_t i = 0; i < steps; ++i) {
        if (model.under_way() < 12 && random() % 3 == 0) {
            model.start_random();
        }
        if (!world.pump() && random() % 4 == 0) {
            world.step();
        }
    }
    if (!model.surprise.empty()) {
        return model.surprise;
    }
    report.squashed += world.store().counters().squashed;
    report.swept_entries += world.store().counters().swept_entries;
    report.checkpoints += world.store().counters().checkpoints;
    switch (random() % 4) {
    case 0:
        world.kill();
        break;
    case 1:
        while (model.under_way() > 0) {
            world.step();
        }
        if (random() % 2 == 0) {
            world.run(world.store().upkeep().quiesce());
        }
        if (auto closed = world.close(); !closed) {
            return closed.error().what;
        }
        break;
    default:
        world.power_cut();
    }
    return {};
}

std::string recover(SimWorld& world)
{
    if (world.random()() % 4 == 0) { // the power fails during recovery
        Store store(world.devices(), world.config().store_config, world);
        world.origin().restore();
        world.store_disk().restore();
        world.meta_disk().restore();
        bool ended = false;
        const auto open = [](FramePool&, Store& s, bool& done) -> Task<void> {
            (void)co_await s.open();
            done = true;
        };
        spawn(world.frames(), open(world.frames(), store, ended));
        for (std::uint64_t steps = world.random()() % 60; steps > 0 && !ended; --steps) {
            world.pump();
        }
        world.power_cut();
    }
    const auto opened = world.open();
    return opened ? "" : opened.error().what;
}

} // namespace

std::string run_world(std::uint64_t seed, const WorldConfig& config, LivesReport* report)
{
    SimWorld world(seed, config);
    StoreModel model(world);
    LivesReport unused;
    LivesReport& sum = report != nullptr ? *report : unused;
    if (auto made = world.initialize(); !made) {
        return made.error().what;
    }
    std::string what = recover(world);
    for (int lives = 0; lives < 8 && what.empty(); ++lives) {
        model.reconcile();
        what = model.compare();
        if (what.empty()) {
            what = live(world, model, sum);
        }
        if (what.empty()) {
            what = recover(world);
        }
    }
    model.reconcile();
    return what.empty() ? model.compare() : what;
}

} // namespace zumastor::test
