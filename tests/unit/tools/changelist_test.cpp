// SPDX-License-Identifier: GPL-2.0
// Change lists: written, read, and refused when anything is wrong with them.
#include "tools/common/changelist.h"

#include <gtest/gtest.h>

#include "tools/common/failure.h"
#include "tools/common/process.h"

namespace zumastor {
namespace {

const ChangelistHeader kHeader{"01234567-89ab-4def-8123-456789abcdef",
                               16384,
                               {12, "8c6d0c1e-5a3f-4c55-9d0e-3f8a5e7b9a01", 2097152},
                               {15, "f3a1b0de-90c7-4e0b-8a64-77d1c2a4be02", 2097160}};
const std::vector<DeltaRange> kRanges{{0, 1}, {4711, 64}, {5000, 1ULL << 33}};

std::string written(const std::vector<DeltaRange>& ranges, bool finish = true)
{
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* file = ::open_memstream(&text, &size);
    ChangelistWriter writer(file, "test", kHeader);
    for (const DeltaRange& range : ranges) {
        writer.add(range);
    }
    if (finish) {
        writer.finish();
    }
    (void)std::fclose(file);
    std::string result(text, size);
    std::free(text);
    return result;
}

TEST(Changelist, RoundTrip)
{
    for (const auto& ranges : {kRanges, {}}) {
        const Changelist list = parse_changelist(written(ranges), "x");
        EXPECT_EQ(list.header, kHeader);
        EXPECT_EQ(list.ranges, ranges);
    }
}

// The format is what the stored sample says.
TEST(Changelist, SampleIsUnderstood)
{
    const std::string sample = read_text(SAMPLES "/changelist.txt");
    EXPECT_EQ(written(kRanges), sample);
    EXPECT_EQ(parse_changelist(sample, "x").ranges, kRanges);
}

TEST(Changelist, EveryCutAndEveryChangedByteIsNoticed)
{
    const std::string good = written(kRanges);
    for (std::size_t i = 0; i < good.size(); ++i) {
        EXPECT_THROW(parse_changelist(good.substr(0, i), "x"), Failure) << i;
        for (const int bit : {1, 2, 4}) {
            std::string bad = good;
            bad[i] = static_cast<char>(bad[i] ^ bit);
            EXPECT_THROW(parse_changelist(bad, "x"), Failure) << i;
        }
    }
    EXPECT_THROW(parse_changelist(good + "\n", "x"), Failure);
    EXPECT_THROW(parse_changelist(written(kRanges, false), "x"), Failure);
}

TEST(Changelist, RangesOutOfOrderAreRefused)
{
    for (const std::vector<DeltaRange>& bad : {std::vector<DeltaRange>{{5, 1}, {6, 1}},
                                               {{5, 2}, {6, 1}},
                                               {{5, 1}, {4, 1}},
                                               {{5, 0}},
                                               {{~0ULL, 2}}}) {
        try {
            parse_changelist(written(bad), "list");
            ADD_FAILURE() << bad.back().first;
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Exit::mismatch);
            EXPECT_NE(std::string(failure.what()).find("list, line "), std::string::npos) << failure.what();
        }
    }
}

} // namespace
} // namespace zumastor
