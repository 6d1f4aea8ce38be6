// SPDX-License-Identifier: GPL-2.0
// Merged change lists have what is in either, and nothing else.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tools/zumastor/volume/bookmark.h"

namespace zumastor {
namespace {

using Ranges = std::vector<DeltaRange>;

std::set<std::uint64_t> chunks_in(const Ranges& ranges)
{
    std::set<std::uint64_t> chunks;
    for (const DeltaRange& range : ranges) {
        for (std::uint64_t i = 0; i < range.count; ++i) {
            chunks.insert(range.first + i);
        }
    }
    return chunks;
}

TEST(Bookmark, MergesTheEdges)
{
    EXPECT_EQ(merge_ranges({}, {}), Ranges{});
    EXPECT_EQ(merge_ranges({{3, 2}}, {}), (Ranges{{3, 2}}));
    EXPECT_EQ(merge_ranges({{3, 2}}, {{5, 1}}), (Ranges{{3, 3}}));           // adjacent
    EXPECT_EQ(merge_ranges({{0, 10}}, {{2, 3}, {9, 4}}), (Ranges{{0, 13}})); // inside, and overlapping
    EXPECT_EQ(merge_ranges({{7, 1}}, {{7, 1}}), (Ranges{{7, 1}}));
    EXPECT_EQ(merge_ranges({{9, 1}}, {{7, 1}}), (Ranges{{7, 1}, {9, 1}}));
}

TEST(Bookmark, MergesWhatIsInEither)
{
    std::mt19937 random(20081); // NOLINT: the same every time
    const auto draw = [&](unsigned below) {
        return std::uniform_int_distribution<unsigned>(0, below - 1)(random);
    };
    const auto make = [&] {
        Ranges ranges;
        std::uint64_t at = draw(4);
        for (unsigned i = draw(20); i > 0; --i) {
            const std::uint64_t count = 1 + draw(5);
            ranges.push_back({at, count});
            at += count + 1 + draw(6);
        }
        return ranges;
    };
    for (int round = 0; round < 2000; ++round) {
        const Ranges one = make();
        const Ranges other = make();
        std::set<std::uint64_t> wanted = chunks_in(one);
        wanted.merge(chunks_in(other));
        const Ranges merged = merge_ranges(one, other);
        EXPECT_EQ(chunks_in(merged), wanted);
        for (std::size_t i = 1; i < merged.size(); ++i) { // as a change list has to be
            EXPECT_GT(merged[i].first, merged[i - 1].first + merged[i - 1].count);
        }
    }
}

} // namespace
} // namespace zumastor
