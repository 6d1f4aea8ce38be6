// SPDX-License-Identifier: GPL-2.0
// Manual pages and completion say what the table of commands says.
#include <array>

#include <gtest/gtest.h>

#include "tools/common/manual.h"

namespace zumastor {
namespace {

Exit does_nothing(const Args&) { return Exit::ok; }

std::vector<std::string> names(const std::string& argument, const Args& before)
{
    if (argument == "VOL") {
        return {"data", "home", "data"};
    }
    if (argument == "SNAP") {
        return {before.need("VOL") + "-1", before.need("VOL") + "-2"};
    }
    return argument == "METHOD" ? std::vector<std::string>{"none", "zstd"} : std::vector<std::string>{};
}

constexpr std::array kManualOptions{
    OptionSpec{"-c,--compress", "METHOD", "how to compress: \\ is a backslash"},
    OptionSpec{"--full", "", ".everything"},
};
constexpr std::array kManualCommands{
    CommandSpec{"define volume", "VOL DEV", "Make a volume.", {}, does_nothing},
    CommandSpec{"define master", "VOL", "Mount it.", {}, does_nothing},
    CommandSpec{"send", "VOL [SNAP]", "Write a snapshot.", kManualOptions, does_nothing},
    CommandSpec{"gate", "VOL...", "Let through.", {}, does_nothing},
};
constexpr ToolSpec kManualTool{"tool", "What it is for.", kManualCommands, names};

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
    const std::string page = manual_page(kManualTool, kManualCommands[2]);
    EXPECT_TRUE(page.starts_with(".TH TOOL\\-SEND 8 "));
    for (const char* part :
         {"tool\\-send \\- write a snapshot\n", ".I VOL\n", ".I [SNAP]\n",
          "\\fB\\-c\\fR, \\fB\\-\\-compress\\fR \\fIMETHOD\\fR\nhow to compress: \\e is a backslash\n",
          "\\fB\\-\\-full\\fR\n\\&.everything\n", ".B 130\n", ".BR tool (8)\n"}) {
        EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
    }
    EXPECT_NE(manual_page(kManualTool, kManualCommands[0]).find(".BR tool\\-define\\-master (8)"),
              std::string::npos);
}

TEST(Manual, TheToolsPageNamesEveryCommand)
{
    const std::string page = manual_page(kManualTool);
    for (const CommandSpec& command : kManualCommands) {
        EXPECT_NE(page.find("\\fB" + std::string(command.name) + "\\fR"), std::string::npos) << command.name;
    }
}

} // namespace
} // namespace zumastor
