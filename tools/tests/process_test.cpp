// SPDX-License-Identifier: GPL-2.0
#include "tools/common/process.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

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

} // namespace
} // namespace zumastor
