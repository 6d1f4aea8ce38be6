// SPDX-License-Identifier: GPL-2.0
// Manual pages and completion say what the table of commands says.
#include <array>
#include <optional>

#include <gtest/gtest.h>

#include "tools/common/command_table.h"
#include "tools/common/manual.h"

namespace zumastor {
namespace {

struct Given {
    std::string volume;
    std::string device;
    std::optional<std::string> snapshot;
    std::vector<std::string> volumes;
    std::optional<std::string> compress;
    bool full = false;
};
Exit does_nothing(const Given&) { return Exit::ok; }

std::vector<std::string> names(const std::string& argument, const std::string& first)
{
    if (argument == "VOL") {
        return {"data", "home", "data"};
    }
    if (argument == "SNAP") {
        return {first + "-1", first + "-2"};
    }
    return argument == "METHOD" ? std::vector<std::string>{"none", "zstd"} : std::vector<std::string>{};
}

constexpr auto kManualOptions = option_table<Given>(
    value<&Given::compress>("-c,--compress", "METHOD", "how to compress: \\ is a backslash"),
    flag<&Given::full>("--full", ".everything"));
constexpr CommandSpec kVolume = command<does_nothing>(
    "define volume", arguments<&Given::volume, &Given::device>("VOL DEV"), "Make a volume.");
constexpr CommandSpec kMaster =
    command<does_nothing>("define master", arguments<&Given::volume>("VOL"), "Mount it.");
constexpr CommandSpec kSending = command<does_nothing>(
    "send", arguments<&Given::volume, &Given::snapshot>("VOL [SNAP]"), "Write a snapshot.", kManualOptions,
    Page{"To standard output.", "All of it:\n$ tool send data >file"});
constexpr CommandSpec kLetting =
    command<does_nothing>("gate", arguments<&Given::volumes>("VOL..."), "Let through.");
constexpr std::array kManualCommands{&kVolume, &kMaster, &kSending, &kLetting};
constexpr std::array kManualFiles{FileSpec{"/etc/tool", "what it knows"}};
constexpr ToolSpec kManualTool{"tool", "What it is for.", kManualCommands, names, kManualFiles};

using Words = std::vector<std::string>;

TEST(Completion, Commands)
{
    EXPECT_EQ(complete(kManualTool, Words{}), (Words{"define", "gate", "send"}));
    EXPECT_EQ(complete(kManualTool, Words{"de"}), Words{"define"});
    EXPECT_EQ(complete(kManualTool, (Words{"define", ""})), (Words{"master", "volume"}));
    EXPECT_EQ(complete(kManualTool, (Words{"define", "v"})), Words{"volume"});
    EXPECT_EQ(complete(kManualTool, (Words{"nonsense", ""})), Words{});
}

TEST(Completion, Arguments)
{
    EXPECT_EQ(complete(kManualTool, (Words{"define", "volume", ""})), (Words{"data", "home"}));
    EXPECT_EQ(complete(kManualTool, (Words{"define", "volume", "data", ""})), Words{}); // a device: a file
    EXPECT_EQ(complete(kManualTool, (Words{"send", "home", ""})), (Words{"home-1", "home-2"}));
    EXPECT_EQ(complete(kManualTool, (Words{"send", "--full", "home", "home-2"})), Words{"home-2"});
    EXPECT_EQ(complete(kManualTool, (Words{"send", "home", "home-1", ""})), Words{}); // nothing more
    EXPECT_EQ(complete(kManualTool, (Words{"gate", "home", "d"})), Words{"data"});    // as many as one likes
}

TEST(Completion, Options)
{
    EXPECT_EQ(complete(kManualTool, (Words{"send", "--"})), (Words{"--compress", "--full", "--help"}));
    EXPECT_EQ(complete(kManualTool, (Words{"send", "home", "--f"})), Words{"--full"});
    EXPECT_EQ(complete(kManualTool, (Words{"send", "--compress", "z"})), Words{"zstd"});
    EXPECT_EQ(complete(kManualTool, (Words{"send", "--compress", "zstd", "h"})), Words{"home"});
}

TEST(Manual, AllThatTheTableHas)
{
    const std::string page = manual_page(kManualTool, kSending);
    EXPECT_TRUE(page.starts_with(".TH TOOL\\-SEND 8 "));
    for (const char* part :
         {"tool\\-send \\- write a snapshot\n", ".I VOL\n", ".I [SNAP]\n",
          "\\fB\\-c\\fR, \\fB\\-\\-compress\\fR \\fIMETHOD\\fR\nhow to compress: \\e is a backslash\n",
          "\\fB\\-\\-full\\fR\n\\&.everything\n", ".B 130\n", ".BR tool (8)\n",
          ".SH DESCRIPTION\nWrite a snapshot.\n.PP\nTo standard output.\n",
          ".SH EXAMPLES\n.PP\nAll of it:\n.PP\n.RS 4\n.B tool send data >file\n.RE\n",
          ".SH FILES\n.TP\n.I /etc/tool\nwhat it knows\n"}) {
        EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
    }
    EXPECT_NE(manual_page(kManualTool, kVolume).find(".BR tool\\-define\\-master (8)"), std::string::npos);
}

TEST(Manual, TheToolsPageNamesEveryCommand)
{
    const std::string page = manual_page(kManualTool);
    for (const CommandSpec* one : kManualCommands) {
        EXPECT_NE(page.find("\\fB" + std::string(one->name) + "\\fR"), std::string::npos) << one->name;
    }
}

} // namespace
} // namespace zumastor
