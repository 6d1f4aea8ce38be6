// SPDX-License-Identifier: GPL-2.0
#include "tools/common/process.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "tools/common/failure.h"

namespace zumastor {
namespace {

class FindInPath : public ::testing::Test {
protected:
    void SetUp() override
    {
        const char* path = std::getenv("PATH");
        before_ = path != nullptr ? path : "";
        std::string name = (std::filesystem::temp_directory_path() / "find-in-path-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override
    {
        ::setenv("PATH", before_.c_str(), 1);
        std::filesystem::remove_all(directory_);
    }

    std::string before_;
    std::filesystem::path directory_;
};

TEST_F(FindInPath, OnlyWhatCanBeExecuted)
{
    const std::string place = (directory_ / "program").string();
    ::setenv("PATH", ("/nowhere:" + directory_.string()).c_str(), 1);
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
    std::string directory = (std::filesystem::temp_directory_path() / "process_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const std::string path = directory + "/text";
    for (const unsigned mask : {0u, 077u, 0777u}) {
        const mode_t before = ::umask(static_cast<mode_t>(mask));
        write_text(path, "content\n");
        write_text(path + ".secret", "content\n", 0600);
        ::umask(before);
        EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0644}) << mask;
        EXPECT_EQ(std::filesystem::status(path + ".secret").permissions(), std::filesystem::perms{0600});
        EXPECT_EQ(read_text(path), "content\n");
    }
    std::filesystem::remove_all(directory);
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
