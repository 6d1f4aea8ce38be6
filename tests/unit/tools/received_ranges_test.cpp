// SPDX-License-Identifier: GPL-2.0
// Which chunks a reception has had: through breaks and crashes, and what of a delta it does not explain.
#include "tools/zumastor/state/received_ranges.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tests/unit/tools/literals.h"
#include "tools/common/process.h"

namespace zumastor {
namespace {

using namespace literals;

using Ranges = std::vector<DeltaRange>;

RangeSource source_of(Ranges ranges)
{
    return [ranges = std::move(ranges), at = std::size_t{0}]() mutable -> std::optional<DeltaRange> {
        return at < ranges.size() ? std::optional(ranges[at++]) : std::nullopt;
    };
}

std::set<std::uint64_t> chunks_of(const Ranges& ranges)
{
    std::set<std::uint64_t> chunks;
    for (const DeltaRange& range : ranges) {
        for (std::uint64_t i = 0; i < range.count; ++i) {
            EXPECT_TRUE(chunks.insert(range.first + i).second) << "twice";
        }
    }
    return chunks;
}

// Every pair of sets of chunks below 8, as ranges that may be adjacent.
TEST(ChunkRanges, WhatOthersDoNotHave)
{
    constexpr unsigned kSets = 256;
    const auto ranges_of = [](unsigned set, unsigned cuts) {
        Ranges ranges;
        for (std::uint64_t chunk = 0; chunk < 8; ++chunk) {
            if ((set >> chunk & 1) == 0) {
                continue;
            }
            const bool goes_on = !ranges.empty() && ranges.back().first + ranges.back().count == chunk;
            if (goes_on && (cuts >> chunk & 1) == 0) {
                ++ranges.back().count;
            } else {
                ranges.push_back({chunk, 1});
            }
        }
        return ranges;
    };
    for (unsigned mine = 0; mine < kSets; ++mine) {
        for (unsigned others = 0; others < kSets; ++others) {
            RangesWithout rest(source_of(ranges_of(others, 0x24)));
            Ranges left;
            for (const DeltaRange& range : ranges_of(mine, 0x51)) {
                ASSERT_TRUE(rest.visit_rest(range, [&](const DeltaRange& part) {
                    left.push_back(part);
                    return true;
                }));
            }
            ASSERT_EQ(chunks_of(left), chunks_of(ranges_of(mine & ~others, 0))) << mine << " " << others;
        }
    }
    RangesWithout none{RangeSource{}};
    int visits = 0;
    EXPECT_FALSE(none.visit_rest({3, 4}, [&](const DeltaRange&) { return ++visits < 1; }));
    EXPECT_EQ(visits, 1);
}

class ReceivedRangesTest : public testing::Test {
protected:
    static Reception at(std::uint64_t next_chunk)
    {
        return {"11111111-1111-4111-8111-111111111111"_uuid, "22222222-2222-4222-8222-222222222222"_uuid,
                next_chunk};
    }
    static std::set<std::uint64_t> has(const ReceivedRanges& ranges)
    {
        Ranges all;
        const RangeSource source = ranges.all();
        while (const auto range = source()) {
            all.push_back(*range);
        }
        return chunks_of(all);
    }

    zumastor::test::ScratchFolder folder;
    const std::string& directory = folder.path();
    const std::string file = folder / "reception.ranges";
};

TEST_F(ReceivedRangesTest, AShortReceptionNeedsNoFile)
{
    ReceivedRanges ranges(directory, at(0));
    ranges.add({3, 2});
    ranges.add({5, 1});
    ranges.add({9, 1});
    EXPECT_EQ(has(ranges), (std::set<std::uint64_t>{3, 4, 5, 9}));
    EXPECT_EQ(ranges.known_from(), 0u);
    EXPECT_FALSE(std::filesystem::exists(file));
}

// Every break, and every place at which the next stream goes on: what lies below it is remembered, no more.
TEST_F(ReceivedRangesTest, GoesOnWhereItBrokeOff)
{
    const Ranges stream{{1, 2}, {3, 1}, {6, 5}, {14, 1}, {20, 3}};
    const std::set<std::uint64_t> whole = chunks_of(stream);
    for (std::uint64_t broken = 0; broken <= 24; broken += 3) {
        for (std::uint64_t next = 0; next <= broken; ++next) {
            std::filesystem::remove(file);
            {
                ReceivedRanges ranges(directory, at(0));
                for (const DeltaRange& range : stream) {
                    ranges.add(range);
                    ranges.keep(std::min(range.first + 1, broken));
                }
                ranges.keep(broken);
                EXPECT_EQ(has(ranges), whole);
            }
            ReceivedRanges again(directory, at(next));
            EXPECT_EQ(again.known_from(), 0u);
            EXPECT_EQ(has(again), std::set<std::uint64_t>(whole.begin(), whole.lower_bound(next)));
            for (const DeltaRange& range : stream) {
                if (range.first + range.count > next) {
                    const std::uint64_t first = std::max(range.first, next);
                    again.add({first, range.first + range.count - first});
                }
            }
            again.keep(15);
            EXPECT_EQ(has(again), whole) << broken << " " << next;
            EXPECT_EQ(has(ReceivedRanges(directory, at(15))),
                      std::set<std::uint64_t>(whole.begin(), whole.lower_bound(15)));
        }
    }
}

// A crash while the file grew: what it has from there on means nothing.
TEST_F(ReceivedRangesTest, ATornEndIsForgotten)
{
    {
        ReceivedRanges ranges(directory, at(0));
        ranges.add({1, 2});
        ranges.add({5, 1});
        ranges.keep(6);
    }
    const auto size = std::filesystem::file_size(file);
    EXPECT_EQ(size, 48u + 2 * 16);
    for (const std::string& tail : {std::string(7, '\1'), std::string(32, '\0'), std::string(16, '\xff')}) {
        std::filesystem::resize_file(file, size);
        std::ofstream(file, std::ios::app) << tail;
        ReceivedRanges ranges(directory, at(6));
        EXPECT_EQ(has(ranges), (std::set<std::uint64_t>{1, 2, 5}));
        ranges.add({8, 1});
        ranges.keep(9);
        EXPECT_EQ(has(ReceivedRanges(directory, at(9))), (std::set<std::uint64_t>{1, 2, 5, 8}));
    }
}

// Another reception's file is none; neither is that of a version that had none, whose chunks are not known.
TEST_F(ReceivedRangesTest, OfAnotherReceptionNothingCounts)
{
    {
        ReceivedRanges ranges(directory, at(0));
        ranges.add({1, 9});
        ranges.keep(10);
    }
    Reception other = at(4);
    std::swap(other.from, other.to);
    ReceivedRanges ranges(directory, other);
    EXPECT_EQ(ranges.known_from(), 4u);
    EXPECT_TRUE(has(ranges).empty());
    ranges.add({5, 1});
    ranges.keep(6);
    other.next_chunk = 6;
    const ReceivedRanges again(directory, other);
    EXPECT_EQ(again.known_from(), 4u); // still
    EXPECT_EQ(has(again), (std::set<std::uint64_t>{5}));
    EXPECT_EQ(ReceivedRanges(directory, at(0)).known_from(), 0u);
}

TEST_F(ReceivedRangesTest, GoesWithItsReception)
{
    ReplicaState state;
    state.reception = at(3);
    ReceivedRanges ranges(directory, at(0));
    ranges.add({1, 2});
    ranges.keep(3);
    save_replica_state(directory, state);
    EXPECT_TRUE(std::filesystem::exists(file));
    state.reception.reset();
    save_replica_state(directory, state);
    EXPECT_FALSE(std::filesystem::exists(file));
}

} // namespace
} // namespace zumastor
