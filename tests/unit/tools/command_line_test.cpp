// SPDX-License-Identifier: GPL-2.0
#include "tools/common/command_line.h"

#include <array>
#include <optional>
#include <tuple>

#include <gtest/gtest.h>

#include "tools/common/command_table.h"

namespace zumastor {
namespace {

struct Common {
    bool none = false;
};
struct Schedule : Common {
    std::string volume;
    std::optional<std::string> hourly;
    std::vector<std::string> custom;
};
struct Server {
    std::string store;
    std::string origin;
    std::optional<std::string> meta;
    std::string agent;
    std::string server;
};
struct Use {
    std::string socket;
    std::string snapshot;
    std::optional<std::string> difference;
};
struct Snapshot {
    std::string volume;
    std::vector<std::string> kinds;
};

// What the last command was run with.
Schedule schedule_given;
Server server_given;
Use use_given;
Snapshot snapshot_given;
Exit take_schedule(const Schedule& given)
{
    schedule_given = given;
    return Exit::ok;
}
Exit take_server(const Server& given)
{
    server_given = given;
    return Exit::ok;
}
Exit take_use(const Use& given)
{
    use_given = given;
    return Exit::ok;
}
Exit take_a_snapshot(const Snapshot& given)
{
    snapshot_given = given;
    return Exit::ok;
}

constexpr auto kNone = flag<&Common::none>("-n,--none", "a flag that several commands have");
constexpr auto kOptions = option_table<Schedule>(
    std::tuple{value<&Schedule::hourly>("-h,--hourly", "N", "an option that takes -h from help"),
               value<&Schedule::custom>("-c,--custom", "NAME,N", "may be repeated")},
    kNone);
constexpr CommandSpec kSchedule =
    command<take_schedule>("define schedule", arguments<&Schedule::volume>("VOL"), "Schedule.", kOptions);
constexpr CommandSpec kServer = command<take_server>(
    "server",
    arguments<&Server::store, &Server::origin, &Server::meta, &Server::agent, &Server::server>(
        "SNAPDEV ORIGDEV [METADEV] AGENTSOCK SERVERSOCK"),
    "Server.");
constexpr CommandSpec kUse = command<take_use>(
    "usecount", arguments<&Use::socket, &Use::snapshot, &Use::difference>("SOCK SNAP [DIFF]"), "Count.");
constexpr CommandSpec kSnapshot = command<take_a_snapshot>(
    "snapshot", arguments<&Snapshot::volume, &Snapshot::kinds>("VOL [KIND...]"), "Snapshot.");
constexpr std::array kCommands{&kSchedule, &kServer, &kUse, &kSnapshot};
constexpr ToolSpec kTool{"tool", "A tool.", kCommands};

Parsed parse(std::vector<const char*> words)
{
    words.insert(words.begin(), "tool");
    return parse_command_line(kTool, static_cast<int>(words.size()), words.data());
}

void run(const std::vector<const char*>& words)
{
    const Parsed parsed = parse(words);
    ASSERT_NE(parsed.command, nullptr);
    EXPECT_EQ(parsed.command->run(*parsed.command, parsed.args), Exit::ok);
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
    EXPECT_EQ(parse({"define", "schedule", "vol"}).command, &kSchedule);
    run({"define", "schedule", "vol", "-h", "24", "--custom", "a,1", "-c", "b,2", "-n"});
    EXPECT_EQ(schedule_given.volume, "vol");
    EXPECT_EQ(schedule_given.hourly, "24");
    EXPECT_EQ(schedule_given.custom, (std::vector<std::string>{"a,1", "b,2"}));
    EXPECT_TRUE(schedule_given.none);
    run({"define", "schedule", "vol"});
    EXPECT_EQ(schedule_given.hourly, std::nullopt);
    EXPECT_TRUE(schedule_given.custom.empty());
    EXPECT_FALSE(schedule_given.none);
}

TEST(CommandLine, OptionsTakeOneValueOnly)
{
    run({"define", "schedule", "-c", "a,1", "vol"});
    EXPECT_EQ(schedule_given.volume, "vol");
}

TEST(CommandLine, TheLastOfSeveralValuesCounts)
{
    run({"define", "schedule", "-h", "1", "vol", "--hourly", "2"});
    EXPECT_EQ(schedule_given.hourly, "2");
}

TEST(CommandLine, OptionalArgumentInTheMiddle)
{
    run({"server", "s", "o", "a", "c"});
    EXPECT_EQ(server_given.meta, std::nullopt);
    EXPECT_EQ(server_given.agent, "a");
    run({"server", "s", "o", "m", "a", "c"});
    EXPECT_EQ(server_given.meta, "m");
    EXPECT_EQ(server_given.server, "c");
}

TEST(CommandLine, SignedNumbersAreArguments)
{
    run({"usecount", "sock", "3", "-1"});
    EXPECT_EQ(use_given.difference, "-1");
    run({"usecount", "sock", "3", "+1"});
    EXPECT_EQ(use_given.difference, "+1");
}

TEST(CommandLine, RepeatedArguments)
{
    run({"snapshot", "vol"});
    EXPECT_TRUE(snapshot_given.kinds.empty());
    run({"snapshot", "vol", "hourly", "daily"});
    EXPECT_EQ(snapshot_given.kinds, (std::vector<std::string>{"hourly", "daily"}));
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
