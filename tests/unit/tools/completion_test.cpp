// SPDX-License-Identifier: GPL-2.0
// Completion in bash: what a program offers is data, which no shell expands.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

class BashCompletion : public testing::Test {
protected:
    // What follows `word` if the program offers these lines: one candidate each.
    std::vector<std::string> complete(const std::string& offered, const std::string& word)
    {
        const fs::path program = folder_ / "zumastor";
        std::ofstream(folder_ / "offered") << offered;
        std::ofstream(program) << "#!/bin/sh\nexec cat " << quote_word(folder_ / "offered") << "\n";
        fs::permissions(program, fs::perms::owner_all);
        const std::string script = "cd " + quote_word(folder_.path()) + "; . " + quote_word(COMPLETION) +
                                   "; COMP_LINE=\"$1 $2\"; COMP_WORDS=(\"$1\" \"$2\"); COMP_CWORD=1; "
                                   "_zumastor \"$1\"; printf '<%s>\\n' \"${COMPREPLY[@]}\"";
        const ProgramResult done = run_program({"bash", "-c", script, "bash", program.string(), word},
                                               std::chrono::milliseconds(30000));
        EXPECT_EQ(done.status, 0) << done.output;
        return split(done.output, '\n');
    }
    bool made(const std::string& name) const { return fs::exists(folder_ / name); }

    zumastor::test::ScratchFolder folder_;
};

TEST_F(BashCompletion, OffersWhatBeginsWithTheWord)
{
    EXPECT_EQ(complete("hourly.0\nhourly.1\nlatest\n7\n", "hou"),
              (std::vector<std::string>{"<hourly.0>", "<hourly.1>"}));
    EXPECT_EQ(complete("a\nb\n", ""), (std::vector<std::string>{"<a>", "<b>"}));
    EXPECT_EQ(complete("a\n", "z"), (std::vector<std::string>{"<>"}));
    EXPECT_EQ(complete("ab\n[a]b\n", "[a]"), (std::vector<std::string>{"<\\[a\\]b>"})); // no pattern
}

TEST_F(BashCompletion, ExpandsNothing)
{
    const auto offered =
        complete("$(touch made)\n`touch made`\n${x:=1}\n*\n~root\nbefore the upgrade\n$(touch made)x\n", "");
    EXPECT_FALSE(made("made"));
    // Put in the command line, it is a word that the shell expands no more than the completion did.
    EXPECT_EQ(offered.size(), 7U);
    const auto quoted = complete("$(touch made)\n", "$");
    ASSERT_EQ(quoted.size(), 1U);
    EXPECT_EQ(quoted.front(), "<\\$\\(touch\\ made\\)>");
    EXPECT_EQ(complete("before the upgrade\n", "bef"),
              (std::vector<std::string>{"<before\\ the\\ upgrade>"}));
    EXPECT_FALSE(made("made"));
}

} // namespace
} // namespace zumastor
