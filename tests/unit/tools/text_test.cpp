// SPDX-License-Identifier: GPL-2.0
#include "tools/common/text.h"

#include <cstdio>

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

// What quote_word() makes is one word to a shell, and to split_words(); what a shell would act on is refused.
TEST(Text, WordsForAShell)
{
    EXPECT_EQ(quote_word("hourly.0"), "hourly.0");
    EXPECT_EQ(quote_word("a#+-.:=_,@%/"), "a#+-.:=_,@%/");
    EXPECT_EQ(quote_word(""), "''");
    EXPECT_EQ(quote_word("#1"), "'#1'");
    EXPECT_EQ(quote_word("before it's; $(late)"), "'before it'\\''s; $(late)'");
    std::vector<std::string> words{"",  "'", "''",  "a'b", "\\",        "\\'",
                                   "#", "~", "a b", " ",   "gr\u00fcn", "-x"};
    for (int c = 1; c < 256; ++c) {
        words.push_back("x" + std::string(1, static_cast<char>(c)) + "y");
        words.emplace_back(1, static_cast<char>(c));
    }
    std::string line;
    for (const std::string& word : words) {
        line += (line.empty() ? "" : "  ") + quote_word(word);
    }
    EXPECT_EQ(split_words(line), words);
    const std::string script = "printf '%s\\0' " + line;
    FILE* shell = ::popen(script.c_str(), "r"); // NOLINT: what a shell makes of it is the question
    ASSERT_NE(shell, nullptr);
    std::string printed(1u << 16, '\0');
    printed.resize(std::fread(printed.data(), 1, printed.size(), shell));
    EXPECT_EQ(::pclose(shell), 0);
    std::string expected;
    for (const std::string& word : words) {
        expected += word + std::string(1, '\0');
    }
    EXPECT_EQ(printed, expected);

    EXPECT_EQ(split_words(" a  b "), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(split_words(""), std::vector<std::string>{});
    for (const char* bad : {"a;", "a;b", "`id`", "$(id)", "a|b", "a&", "\"a\"", "a>b", "'a", "a\\ b", "*",
                            "~", "#a", "a\nb", "a\tb", "{a,b}", "!a"}) {
        EXPECT_FALSE(split_words(bad)) << bad;
    }
}

TEST(Text, WhatIsShownIsOneHarmlessLine)
{
    using namespace std::string_literals;
    EXPECT_EQ(shown("plain – äöü ✓ 𝄞", 100), "plain – äöü ✓ 𝄞");
    EXPECT_EQ(shown("a\nb\rc\td\x1b[2J\x7f"s, 100), "a\\nb\\rc\\td\\x1b[2J\\x7f");
    EXPECT_EQ(shown("\0"s, 100), "\\x00");
    EXPECT_EQ(shown("\xc2\x9b[31m", 100), "\\u009b[31m"); // CSI in one character
    const std::string right_to_left{'\xe2', '\x80', '\xae'};
    EXPECT_EQ(shown(right_to_left + "fdp.exe", 100), "\\u202efdp.exe");
    EXPECT_EQ(shown("\xff\xc0\x80\xed\xa0\x80", 100), "\\xff\\xc0\\x80\\xed\\xa0\\x80");
    EXPECT_EQ(shown("\xe2\x82", 100), "\\xe2\\x82");
    EXPECT_EQ(shown(std::string(10, 'a'), 10), std::string(10, 'a'));
    EXPECT_EQ(shown(std::string(11, 'a'), 10), std::string(7, 'a') + "…");
    EXPECT_EQ(shown("", 10), "");
}

TEST(Text, TablesHaveNoTrailingBlanks)
{
    EXPECT_EQ(format_table({{"A", "LONG"}, {"long", "b"}}), "A     LONG\nlong  b\n");
}

} // namespace
} // namespace zumastor
