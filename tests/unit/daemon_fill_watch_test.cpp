// SPDX-License-Identifier: GPL-2.0
// When a filling store is told of.
#include <optional>

#include <gtest/gtest.h>

#include "ddsnapd/daemon/fill_watch.h"

namespace ddsnap::daemon {
namespace {

using Mark = std::optional<unsigned>;

TEST(FillWatch, EachMarkIsToldOnce)
{
    FillWatch watch({90, 80, 80, 0});
    EXPECT_EQ(watch.look(0, 1000), Mark{});
    EXPECT_EQ(watch.look(799, 1000), Mark{});
    EXPECT_EQ(watch.look(800, 1000), Mark{80});
    EXPECT_EQ(watch.look(801, 1000), Mark{});
    EXPECT_EQ(watch.look(899, 1000), Mark{});
    EXPECT_EQ(watch.look(900, 1000), Mark{90});
    EXPECT_EQ(watch.look(1000, 1000), Mark{});
}

TEST(FillWatch, SeveralAtOnceAreOne)
{
    FillWatch watch({80, 90, 95});
    EXPECT_EQ(watch.look(93, 100), Mark{90});
    EXPECT_EQ(watch.look(100, 100), Mark{95});
}

TEST(FillWatch, ToldAgainOnlyAfterItWasWellBelow)
{
    FillWatch watch({80, 90});
    EXPECT_EQ(watch.look(90, 100), Mark{90});
    EXPECT_EQ(watch.look(86, 100), Mark{});
    EXPECT_EQ(watch.look(90, 100), Mark{}); // it swings around the mark
    EXPECT_EQ(watch.look(84, 100), Mark{});
    EXPECT_EQ(watch.look(90, 100), Mark{90});
    EXPECT_EQ(watch.look(74, 100), Mark{});
    EXPECT_EQ(watch.look(80, 100), Mark{80});
}

TEST(FillWatch, NoMarksAndNothingToFill)
{
    FillWatch silent({0});
    EXPECT_EQ(silent.look(100, 100), Mark{});
    FillWatch watch({1});
    EXPECT_EQ(watch.look(0, 0), Mark{});
}

TEST(FillWatch, LargestNumbers)
{
    FillWatch watch({50});
    EXPECT_EQ(watch.look(UINT64_MAX / 2 - 1'000'000'000'000'000'000, UINT64_MAX), Mark{});
    EXPECT_EQ(watch.look(UINT64_MAX, UINT64_MAX), Mark{50});
}

} // namespace
} // namespace ddsnap::daemon
