// SPDX-License-Identifier: GPL-2.0
// The store's model test can fail: each planted bug is found.
#include <gtest/gtest.h>

#include "planted_bugs.h"
#include "tests/support/store_lives.h"

namespace zumastor::test {
namespace {

struct Plant {
    PlantedBug bug;
    const char* name;
};

class PlantedBugTest : public testing::TestWithParam<Plant> {
protected:
    ~PlantedBugTest() override { planted_bug = PlantedBug::none; }
};

// Stores with little room, short journals, separate metadata: where each bug shows.
WorldConfig variant(std::uint64_t seed)
{
    WorldConfig config;
    if (seed % 2 == 0) {
        config.journal = Bytes{64ULL << 10};
    }
    if (seed % 3 == 0) {
        config.meta = Bytes{4ULL << 20};
    }
    if (seed % 4 == 1) {
        config.store = Bytes{2ULL << 20};
        config.origin = Bytes{2ULL << 20};
    }
    if (seed % 5 == 2) { // commits of several blocks
        config.store = Bytes{16ULL << 20};
        config.origin = Bytes{4ULL << 20};
        config.largest_write = 600;
        config.store_config.copy_buffer = Bytes{4ULL << 20};
        config.store_config.max_run = Bytes{1ULL << 20};
    }
    return config;
}

TEST_P(PlantedBugTest, IsFound)
{
    constexpr std::uint64_t kSeeds = 3000;
    planted_bug = GetParam().bug;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        if (const std::string what = run_world(seed, variant(seed)); !what.empty()) {
            RecordProperty("seed", static_cast<int>(seed));
            GTEST_LOG_(INFO) << "found with seed " << seed << ": " << what;
            return;
        }
    }
    FAIL() << "not found with " << kSeeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(
    All, PlantedBugTest,
    testing::Values(Plant{PlantedBug::no_flush_before_ack, "NoFlushBeforeAck"},
                    Plant{PlantedBug::ack_before_commit, "AckBeforeCommit"},
                    Plant{PlantedBug::chunk_reused_before_checkpoint, "ChunkReusedBeforeCheckpoint"},
                    Plant{PlantedBug::tail_without_data_crc, "TailWithoutDataCrc"},
                    Plant{PlantedBug::sweep_frees_needed_exception, "SweepFreesNeededException"},
                    Plant{PlantedBug::stale_incarnation_accepted, "StaleIncarnationAccepted"},
                    Plant{PlantedBug::private_record_before_flush, "PrivateRecordBeforeFlush"}),
    [](const auto& plant) { return std::string(plant.param.name); });

} // namespace
} // namespace zumastor::test
