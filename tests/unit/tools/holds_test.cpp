// SPDX-License-Identifier: GPL-2.0
// Use counts of the snapshots that replication needs: neither leaked nor taken from others, whatever crashes.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/failure.h"
#include "tools/zumastor/state/holds.h"
#include "tools/zumastor/volume/held_snapshots.h"

namespace zumastor {
namespace {

using State = Hold::State;

SnapshotEntry counted(std::uint64_t id, std::uint64_t use_count, bool squashed = false)
{
    SnapshotEntry entry;
    entry.id = id;
    entry.uuid = UuidText::need("00000000-0000-4000-8000-00000000000" + std::to_string(id));
    entry.use_count = use_count;
    entry.squashed = squashed;
    return entry;
}

TEST(Holds, AreTakenAndGivenUp)
{
    const HoldPlan first =
        plan_holds({counted(1, 0), counted(2, 3)}, {"00000000-0000-4000-8000-000000000002"}, {});
    EXPECT_EQ(first.to_raise, (std::vector<std::uint64_t>{2}));
    EXPECT_TRUE(first.to_lower.empty());
    EXPECT_EQ(first.holds,
              (std::vector<Hold>{{"00000000-0000-4000-8000-000000000002", State::acquiring, 3}}));

    const std::vector<Hold> held{{"00000000-0000-4000-8000-000000000002", State::held, 0}};
    const HoldPlan same =
        plan_holds({counted(1, 0), counted(2, 4)}, {"00000000-0000-4000-8000-000000000002"}, held);
    EXPECT_EQ(same.holds, held);
    EXPECT_TRUE(same.to_raise.empty() && same.to_lower.empty());

    const HoldPlan last = plan_holds({counted(1, 0), counted(2, 4)}, {}, held);
    EXPECT_EQ(last.to_lower, (std::vector<std::uint64_t>{2}));
    EXPECT_EQ(last.holds, (std::vector<Hold>{{"00000000-0000-4000-8000-000000000002", State::releasing, 4}}));
}

TEST(Holds, WhatIsGoneOrWithoutContentIsNotHeld)
{
    const std::vector<Hold> held{{"00000000-0000-4000-8000-000000000001", State::held, 0},
                                 {"00000000-0000-4000-8000-000000000007", State::held, 0}};
    const HoldPlan plan =
        plan_holds({counted(1, 1, true)},
                   {"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000007"}, held);
    EXPECT_EQ(plan.to_lower, (std::vector<std::uint64_t>{1}));
    EXPECT_EQ(plan.holds, (std::vector<Hold>{{"00000000-0000-4000-8000-000000000001", State::releasing, 1}}));
}

TEST(Holds, AreReadBack)
{
    const zumastor::test::ScratchFolder folder;
    const std::string& directory = folder.path();
    EXPECT_TRUE(load_holds(directory).empty());
    const std::vector<Hold> holds{
        {"a", State::held, 0}, {"b", State::acquiring, 2}, {"c", State::releasing, 1}};
    save_holds(directory, holds);
    EXPECT_EQ(load_holds(directory), holds);
}

// sync_holds() with a store in memory, cut off after `steps` steps.
class HeldStore {
public:
    std::vector<SnapshotEntry> snapshots;
    std::vector<Hold> file;

    void sync(const std::set<std::string>& needed, int steps)
    {
        HoldPlan plan = plan_holds(snapshots, needed, file);
        const auto step = [&] { return steps-- > 0; };
        if (!step()) {
            return;
        }
        file = plan.holds;
        for (const std::uint64_t id : plan.to_raise) {
            if (!step()) {
                return;
            }
            ++of(id).use_count;
        }
        for (const std::uint64_t id : plan.to_lower) {
            if (!step()) {
                return;
            }
            ASSERT_GT(of(id).use_count, 0u) << "an underflow";
            --of(id).use_count;
        }
        if (!step()) {
            return;
        }
        std::erase_if(file, [](const Hold& hold) { return hold.state == State::releasing; });
        for (Hold& hold : file) {
            hold = {hold.uuid, State::held, 0};
        }
    }

private:
    SnapshotEntry& of(std::uint64_t id)
    {
        return *std::find_if(snapshots.begin(), snapshots.end(), [&](const auto& s) { return s.id == id; });
    }
};

TEST(Holds, CrashesNeitherLeakNorUnderflow)
{
    for (unsigned seed = 0; seed < 500; ++seed) {
        std::mt19937 random(seed);
        HeldStore store;
        std::vector<std::uint64_t> others; // counts that are not ours
        for (std::uint64_t id = 0; id < 5; ++id) {
            others.push_back(random() % 3);
            store.snapshots.push_back(counted(id, others.back()));
        }
        std::set<std::string> needed;
        for (int round = 0; round < 20; ++round) {
            needed.clear();
            for (const SnapshotEntry& snapshot : store.snapshots) {
                if (random() % 2 == 0) {
                    needed.insert(snapshot.uuid);
                }
            }
            store.sync(needed, static_cast<int>(random() % 8));
        }
        store.sync(needed, 100);
        for (const SnapshotEntry& snapshot : store.snapshots) {
            EXPECT_EQ(snapshot.use_count, others[snapshot.id] + needed.count(snapshot.uuid))
                << "seed " << seed << ", snapshot " << snapshot.id;
        }
    }
}

} // namespace
} // namespace zumastor
