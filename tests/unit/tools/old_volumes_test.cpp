// SPDX-License-Identifier: GPL-2.0
// Configurations of zumastor 0.8, as it left them.
#include "tools/zumastor/commands/old_volumes.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/failure.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

class OldVolume : public testing::Test {
protected:
    void file(const std::string& place, const std::string& text) const
    {
        const fs::path path = fs::path(volume()) / place;
        fs::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }
    void link(const std::string& place, const std::string& target) const
    {
        const fs::path path = fs::path(volume()) / place;
        fs::create_directories(path.parent_path());
        fs::create_symlink(target, path);
    }
    void devices() const
    {
        link("device/origin", "/dev/vg/data");
        link("device/snapstore", "/dev/vg/data_snap");
    }
    std::string volume() const { return folder_ / "data"; }
    // Without the first line, which is a title.
    Lines commands(bool yes = false) const
    {
        Lines lines = commands_for_old_volume(volume(), yes);
        EXPECT_EQ(lines.front(), "# volume data, from " + volume());
        lines.erase(lines.begin());
        return lines;
    }

private:
    zumastor::test::ScratchFolder folder_;
};

TEST_F(OldVolume, Least)
{
    devices();
    EXPECT_EQ(commands(), Lines{"zumastor define volume data /dev/vg/data /dev/vg/data_snap --initialize"});
    EXPECT_EQ(commands(true),
              Lines{"zumastor define volume data /dev/vg/data /dev/vg/data_snap --initialize --yes"});
}

TEST_F(OldVolume, Master)
{
    devices();
    link("device/meta", "../../meta");
    file("filesystem/mountpoint", "/srv/my data\n");
    file("filesystem/options", "noatime,acl\n");
    file("master/schedule/hourly", "24\n");
    file("master/schedule/before-update", "3\n");
    file("schedule/daily", "7\n");
    file("targets/host2/period", "600\n");
    file("targets/host2/port", "host2:11235\n");
    file("targets/host1.example.org/period", "");
    file("run/agent", "");
    const std::string meta = (fs::path(volume()).parent_path() / "meta").string();
    EXPECT_EQ(commands(),
              (Lines{"zumastor define volume data /dev/vg/data /dev/vg/data_snap --initialize --metadev " +
                         meta + " --mountpoint '/srv/my data' --mountopts noatime,acl",
                     "zumastor define master data",
                     "zumastor define schedule data --hourly 24 --daily 7 --custom before-update,3",
                     "# " + volume() +
                         "/targets/host1.example.org/period: '' is not a number of seconds: no period is set",
                     "zumastor define target data host1.example.org",
                     "zumastor define target data host2 --period 600",
                     "# replication goes over ssh, with its own key; it begins with a full transfer"}));
}

TEST_F(OldVolume, Replica)
{
    devices();
    file("source/hostname", "host1\n");
    file("source/period", "60\n");
    file("source/strange", "1\n");
    EXPECT_EQ(commands(),
              (Lines{"zumastor define volume data /dev/vg/data /dev/vg/data_snap --initialize",
                     "zumastor define source data host1 --period 60",
                     "# replication goes over ssh, with its own key; it begins with a full transfer",
                     "# not taken over, look at it yourself: " + volume() + "/source/strange"}));
}

TEST_F(OldVolume, WhatIsNotUnderstood)
{
    devices();
    fs::create_directories(volume() + "/source");
    file("schedule/hourly", "many\n");
    EXPECT_EQ(commands(),
              (Lines{"zumastor define volume data /dev/vg/data /dev/vg/data_snap --initialize",
                     "# this is a replica, but source/hostname does not name its source: zumastor define "
                     "source data HOST",
                     "# " + volume() + "/schedule/hourly: 'many' is not a number of snapshots",
                     "# replication goes over ssh, with its own key; it begins with a full transfer"}));
}

TEST_F(OldVolume, NoVolume)
{
    link("device/origin", "/dev/vg/data");
    EXPECT_THROW(commands_for_old_volume(volume(), false), Failure);
    file("device/snapstore", "no link");
    EXPECT_THROW(commands_for_old_volume(volume(), false), Failure);
}

} // namespace
} // namespace zumastor
