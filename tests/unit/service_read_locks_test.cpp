// SPDX-License-Identifier: GPL-2.0
#include <deque>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "ddsnapd/service/read_locks.h"

namespace ddsnap {
namespace {

using snapstore::Chunk;
using snapstore::ChunkRange;

// Against a plain model: which lock holds which chunks.
TEST(ReadLocksTest, MatchesAModel)
{
    std::mt19937_64 random(7);
    ReadLocks locks;
    std::deque<ReadLock> all(64);
    std::vector<std::set<std::uint64_t>> model(all.size());
    const auto any_range = [&]() {
        return ChunkRange{Chunk{random() % 5000 + (random() % 3) * 1024 * 1024},
                          static_cast<std::uint32_t>(1 + random() % DDSNAP_MAX_RANGE)};
    };
    for (int step = 0; step < 20'000; ++step) {
        const std::size_t i = random() % all.size();
        const ChunkRange range = any_range();
        if (!all[i].locked()) {
            locks.lock(all[i], range);
            for (std::uint64_t c = range.first.value; c < range.end().value; ++c) {
                model[i].insert(c);
            }
        } else if (random() % 2 == 0) {
            locks.unlock(all[i], range);
            model[i].erase(model[i].lower_bound(range.first.value), model[i].lower_bound(range.end().value));
        } else {
            locks.unlock(all[i]);
            model[i].clear();
        }
        ASSERT_EQ(all[i].locked(), !model[i].empty());
        const ChunkRange asked = any_range();
        bool expected = false;
        std::size_t count = 0;
        for (const auto& chunks : model) {
            const auto it = chunks.lower_bound(asked.first.value);
            expected |= it != chunks.end() && *it < asked.end().value;
            count += chunks.empty() ? 0U : 1U;
        }
        ASSERT_EQ(locks.overlaps(asked), expected);
        ASSERT_EQ(locks.size(), count);
    }
}

} // namespace
} // namespace ddsnap
