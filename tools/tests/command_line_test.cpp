// SPDX-License-Identifier: GPL-2.0
#include "tools/common/command_line.h"

#include <array>

#include <gtest/gtest.h>

namespace zumastor {
namespace {

constexpr std::array kOptions{
    OptionSpec{"-h,--hourly", "N", "an option that takes -h from help"},
    OptionSpec{"-c,--custom", "NAME,N", "may be repeated"},
    OptionSpec{"-n,--none", "", "a flag"},
};
Exit nothing(const Args& /*args*/) { return Exit::ok; }
constexpr std::array kCommands{
    CommandSpec{"define schedule", "VOL", "Schedule.", kOptions, nothing},
    CommandSpec{"server", "SNAPDEV ORIGDEV [METADEV] AGENTSOCK SERVERSOCK", "Server.", {}, nothing},
    CommandSpec{"usecount", "SOCK SNAP [DIFF]", "Count.", {}, nothing},
    CommandSpec{"snapshot", "VOL [KIND...]", "Snapshot.", {}, nothing},
};
constexpr ToolSpec kTool{"tool", "A tool.", kCommands};

Parsed parse(std::vector<const char*> words)
{
    words.insert(words.begin(), "tool");
    return parse_command_line(kTool, static_cast<int>(words.size()), words.data());
}

Exit code_of(const std::vector<const char*>& words)
{
    try {
        parse(words);
    } catch (const Failure& failure) {
        return failure.code();
    }
    return Exit::ok;
}

TEST(CommandLine, OptionsAndRepetition)
{
    const Parsed parsed =
        parse({"define", "schedule", "vol", "-h", "24", "--custom", "a,1", "-c", "b,2", "-n"});
    ASSERT_NE(parsed.command, nullptr);
    EXPECT_EQ(parsed.command->name, "define schedule");
    EXPECT_EQ(parsed.args.need("VOL"), "vol");
    EXPECT_EQ(parsed.args.get("--hourly"), "24");
    EXPECT_EQ(parsed.args.all("--custom"), (std::vector<std::string>{"a,1", "b,2"}));
    EXPECT_TRUE(parsed.args.has("--none"));
}

TEST(CommandLine, OptionsTakeOneValueOnly)
{
    const Parsed parsed = parse({"define", "schedule", "-c", "a,1", "vol"});
    EXPECT_EQ(parsed.args.need("VOL"), "vol");
}

TEST(CommandLine, OptionalArgumentInTheMiddle)
{
    const Parsed four = parse({"server", "s", "o", "a", "c"});
    EXPECT_FALSE(four.args.has("METADEV"));
    EXPECT_EQ(four.args.need("AGENTSOCK"), "a");
    const Parsed five = parse({"server", "s", "o", "m", "a", "c"});
    EXPECT_EQ(five.args.get("METADEV"), "m");
    EXPECT_EQ(five.args.need("SERVERSOCK"), "c");
}

TEST(CommandLine, SignedNumbersAreArguments)
{
    EXPECT_EQ(parse({"usecount", "sock", "3", "-1"}).args.get("DIFF"), "-1");
    EXPECT_EQ(parse({"usecount", "sock", "3", "+1"}).args.get("DIFF"), "+1");
}

TEST(CommandLine, RepeatedArguments)
{
    EXPECT_TRUE(parse({"snapshot", "vol"}).args.all("KIND").empty());
    EXPECT_EQ(parse({"snapshot", "vol", "hourly", "daily"}).args.all("KIND"),
              (std::vector<std::string>{"hourly", "daily"}));
}

TEST(CommandLine, UsageErrors)
{
    for (const std::vector<const char*>& words :
         std::vector<std::vector<const char*>>{{},
                                               {"frob"},
                                               {"define"},
                                               {"define", "frob"},
                                               {"server", "s", "o", "a"},
                                               {"usecount", "s", "1", "2", "3"},
                                               {"snapshot"},
                                               {"snapshot", "--frob", "vol"},
                                               {"define", "schedule", "vol", "-h"}}) {
        EXPECT_EQ(code_of(words), Exit::usage) << (words.empty() ? "" : words.back());
    }
}

TEST(CommandLine, HelpAndVersion)
{
    EXPECT_NE(parse({"--version"}).text.find("tool "), std::string::npos);
    EXPECT_NE(parse({"server", "--help"}).text.find("SNAPDEV ORIGDEV [METADEV] AGENTSOCK SERVERSOCK"),
              std::string::npos);
    EXPECT_NE(parse({"define", "schedule", "--help"}).text.find("--hourly"), std::string::npos);
}

} // namespace
} // namespace zumastor
