// SPDX-License-Identifier: GPL-2.0
#include "tools/common/process.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/failure.h"

namespace zumastor {
namespace {

class FindInPath : public ::testing::Test {
protected:
    void SetUp() override
    {
        const char* path = std::getenv("PATH");
        before_ = path != nullptr ? path : "";
    }
    void TearDown() override { ::setenv("PATH", before_.c_str(), 1); }

    std::string before_;
    zumastor::test::ScratchFolder folder_;
};

TEST_F(FindInPath, OnlyWhatCanBeExecuted)
{
    const std::string place = folder_ / "program";
    ::setenv("PATH", ("/nowhere:" + folder_.path()).c_str(), 1);
    EXPECT_EQ(find_in_path("program"), "");
    write_text(place, "#!/bin/sh\n", 0755);
    EXPECT_EQ(find_in_path("program"), place);
    std::filesystem::remove(place);
    std::filesystem::create_directory(place);
    EXPECT_EQ(find_in_path("program"), "");
}

// As execvp() does.
TEST_F(FindInPath, WithoutPathWhereProgramsUsuallyAre)
{
    ::unsetenv("PATH");
    EXPECT_NE(find_in_path("sh"), "");
    EXPECT_EQ(find_in_path("no-such-program"), "");
    ::setenv("PATH", "", 1);
    EXPECT_EQ(find_in_path("sh"), "");
}

TEST(Text, HasItsModeWhateverTheUmask)
{
    const zumastor::test::ScratchFolder folder;
    const std::string path = folder / "text";
    for (const unsigned mask : {0u, 077u, 0777u}) {
        const mode_t before = ::umask(static_cast<mode_t>(mask));
        write_text(path, "content\n");
        write_text(path + ".secret", "content\n", 0600);
        ::umask(before);
        EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0644}) << mask;
        EXPECT_EQ(std::filesystem::status(path + ".secret").permissions(), std::filesystem::perms{0600});
        EXPECT_EQ(read_text(path), "content\n");
    }
}

TEST(Text, OfWhatIsNoFileIsAnErrorOrNothing)
{
    EXPECT_EQ(read_text("/proc"), "");
    EXPECT_THROW(need_text("/proc"), Failure);
    EXPECT_THROW(need_text("/nowhere/at/all"), Failure);
    EXPECT_EQ(need_text("/proc/self/comm"), "tools_test\n");
}

} // namespace
} // namespace zumastor
