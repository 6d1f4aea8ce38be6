// SPDX-License-Identifier: GPL-2.0
// The store against a model: random operations, power cuts and kills in the middle of them, and a whole
// comparison after each recovery. A failure prints its seed; SNAPSTORE_SEED runs just that one, and
// SNAPSTORE_SEEDS that many.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/store_lives.h"

namespace zumastor::test {
namespace {

std::uint64_t seeds(std::uint64_t otherwise)
{
#ifdef __SANITIZE_ADDRESS__
    otherwise /= 5;
#endif
    const char* text = std::getenv("SNAPSTORE_SEEDS");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Runs `body(seed)` for many seeds, or the one that is asked for; stops at the first failure.
template <class Body>
void for_seeds(std::uint64_t count, Body&& body)
{
    std::uint64_t first = 1;
    std::uint64_t last = seeds(count);
    if (const char* text = std::getenv("SNAPSTORE_SEED"); text != nullptr) {
        first = last = std::strtoull(text, nullptr, 10);
    }
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        const std::string what = body(seed);
        ASSERT_EQ(what, "") << "seed " << seed;
    }
}

TEST(StoreModelTest, SurvivesCrashes)
{
    for_seeds(150, [](std::uint64_t seed) { return run_world(seed, {}); });
}

TEST(StoreModelTest, SurvivesCrashesWithTinyJournal)
{
    WorldConfig config;
    config.journal = Bytes{64ULL << 10};
    config.origin = Bytes{4ULL << 20};
    for_seeds(80, [&](std::uint64_t seed) { return run_world(seed, config); });
}

TEST(StoreModelTest, SurvivesCrashesWithMetadataDevice)
{
    WorldConfig config;
    config.meta = Bytes{4ULL << 20};
    config.chunk_shift = 13;
    for_seeds(80, [&](std::uint64_t seed) { return run_world(seed, config); });
}

// Chunks are copied, snapshots squashed, and the origin stays writable.
TEST(StoreModelTest, SurvivesCrashesOnFullStore)
{
    WorldConfig config;
    config.store = Bytes{2ULL << 20};
    config.origin = Bytes{2ULL << 20};
    LivesReport report;
    for_seeds(80, [&](std::uint64_t seed) { return run_world(seed, config, &report); });
    if (std::getenv("SNAPSTORE_SEED") == nullptr) {
        EXPECT_GT(report.squashed, 0U);
        EXPECT_GT(report.swept_entries, 0U);
    }
}

} // namespace
} // namespace zumastor::test
