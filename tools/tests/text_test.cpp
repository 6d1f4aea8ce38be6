// SPDX-License-Identifier: GPL-2.0
#include "tools/common/text.h"

#include <gtest/gtest.h>

#include "tools/common/failure.h"

namespace zumastor {
namespace {

TEST(Text, SizesInPowersOf1024)
{
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("4096"), 4096u);
    EXPECT_EQ(parse_size("16k"), 16384u);
    EXPECT_EQ(parse_size("16K"), 16384u);
    EXPECT_EQ(parse_size("1m"), 1048576u);
    EXPECT_EQ(parse_size("1.5G"), 1610612736u);
    EXPECT_EQ(parse_size("2TiB"), 2ull << 40);
    EXPECT_EQ(parse_size("3kb"), 3072u);
    EXPECT_EQ(parse_size("7B"), 7u);
}

TEST(Text, WhatIsNoSize)
{
    for (const char* text : {"", "k", "-1", "1x", "1kk", "1 k", "0x10", "1.2.3k", "99999999999999999999",
                             "20000P", "16ki", "nan", "inf"}) {
        EXPECT_FALSE(parse_size(text)) << text;
    }
    EXPECT_THROW(need_size("many", "cache size"), Failure);
}

TEST(Text, Integers)
{
    EXPECT_EQ(parse_integer("+1"), 1);
    EXPECT_EQ(parse_integer("-128"), -128);
    for (const char* text : {"", "+", "-", "+-1", "1a", " 1", "99999999999999999999"}) {
        EXPECT_FALSE(parse_integer(text)) << text;
    }
    EXPECT_EQ(need_integer("127", "priority", -128, 127), 127);
    EXPECT_THROW(need_integer("128", "priority", -128, 127), Failure);
}

TEST(Text, SizesForPeople)
{
    EXPECT_EQ(format_size(0), "0 B");
    EXPECT_EQ(format_size(16384), "16 KiB");
    EXPECT_EQ(format_size(1610612736), "1.5 GiB");
}

TEST(Text, Times)
{
    const auto ns = parse_rfc3339("2026-11-23T05:06:07.25Z");
    ASSERT_TRUE(ns);
    EXPECT_EQ(*ns % 1'000'000'000, 250'000'000u);
    EXPECT_EQ(format_rfc3339(*ns), "2026-11-23T05:06:07Z");
    EXPECT_EQ(format_directory(*ns), "2026.11.23-05.06.07");
    for (const char* text :
         {"", "2026-11-23", "2026-11-23T05:06:07", "2026-11-23T05:06:07+01:00", "yesterday"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
}

TEST(Text, SplitAndJoin)
{
    EXPECT_EQ(split(",a,,b", ','), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(split("", ',').empty());
    EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
}

TEST(Text, TablesHaveNoTrailingBlanks)
{
    EXPECT_EQ(format_table({{"A", "LONG"}, {"long", "b"}}), "A     LONG\nlong  b\n");
}

} // namespace
} // namespace zumastor
