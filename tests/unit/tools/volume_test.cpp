// SPDX-License-Identifier: GPL-2.0
// Configuration, names, rotation: all that zumastor decides without touching anything.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/config/snapshot_options.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/volume/snapshot_mounts.h"

namespace zumastor {
namespace {

using namespace literals;

constexpr std::uint64_t kSecond = 1'000'000'000;

SnapshotEntry snapshot(std::uint64_t id, const std::string& tag, std::uint64_t ns = 0)
{
    SnapshotEntry entry;
    entry.id = id;
    entry.epoch = id + 1;
    entry.tag = SnapshotTag::need(tag);
    entry.created_ns = ns;
    return entry;
}

VolumeConfig full_config()
{
    VolumeConfig config;
    config.name = "test"_volume;
    config.uuid = "01234567-89ab-4def-8123-456789abcdef";
    config.origin = "/dev/vg/with \"quotes\" and \\ and ü";
    config.store = "/dev/disk/by-id/x";
    config.meta = "/dev/m";
    config.cache_bytes = 1u << 27;
    config.warn_at = {50, 99};
    config.snapshot_first = true;
    config.mount_point = "/srv/data";
    config.mount_options = "noatime,acl";
    config.snapshot_path = "/srv/snap";
    config.snapshot_options = "suid,noexec";
    config.master = MasterRole{false, true};
    set_kind(config.schedule, "hourly", 24);
    set_kind(config.schedule, "before-update", 3);
    return config;
}

TEST(Config, RoundTrip)
{
    const VolumeConfig config = full_config();
    EXPECT_EQ(parse_config(format_config(config), "test"_volume, "x"), config);
    VolumeConfig least;
    least.name = "a"_volume;
    least.origin = "/dev/a";
    least.store = "/dev/b";
    EXPECT_EQ(parse_config(format_config(least), "a"_volume, "x"), least);
}

TEST(Config, AnyTextIsKept)
{
    VolumeConfig config = full_config();
    for (int code = 1; code < 0x80; ++code) {
        const char c = static_cast<char>(code);
        config.mount_options = std::string{c} + "a" + c; // first too: a newline there is easily lost
        EXPECT_EQ(parse_config(format_config(config), "test"_volume, "x"), config) << code;
    }
}

TEST(Config, MarksOfAStoreThatFillsUp)
{
    using Marks = std::vector<std::uint64_t>;
    EXPECT_EQ(need_marks(""), Marks{});
    EXPECT_EQ(need_marks("0"), Marks{0});
    EXPECT_EQ(need_marks("10,99,100"), (Marks{10, 99, 100}));
    for (const char* bad : {"101", "-1", "80,x", "80%", "80;90"}) {
        EXPECT_THROW(need_marks(bad), Failure) << bad;
    }
}

TEST(Config, MistakesAreNamed)
{
    const std::string good = "origin = \"/dev/a\"\nstore = \"/dev/b\"\n";
    EXPECT_NO_THROW(parse_config(good, "a"_volume, "x"));
    for (const char* bad : {"orign = 1\n", "cache = 5\n", "version = 2\n", "master = 1\n",
                            "[master]\nsnapmont = true\n", "[schedule]\nhourly = 0\n",
                            "[schedule]\nhourly = \"a\"\n", "[schedule]\n\"a/b\" = 1\n", "uuid = \n"}) {
        EXPECT_THROW(parse_config(good + bad, "a"_volume, "x"), Failure) << bad;
    }
    EXPECT_THROW(parse_config("", "a"_volume, "x"), Failure);
}

TEST(Config, ScheduleIsOrderedAndZeroRemoves)
{
    std::vector<Kind> schedule;
    set_kind(schedule, "zz", 1);
    set_kind(schedule, "monthly", 1);
    set_kind(schedule, "aa", 1);
    set_kind(schedule, "hourly", 5);
    set_kind(schedule, "hourly", 6);
    EXPECT_EQ(schedule, (std::vector<Kind>{{"hourly", 6}, {"monthly", 1}, {"aa", 1}, {"zz", 1}}));
    set_kind(schedule, "monthly", 0);
    EXPECT_EQ(find_kind(schedule, "monthly"), nullptr);
}

TEST(Names, Volumes)
{
    for (const char* name : {"test", "a", "1", "my.vol-1_2+3=4:5#6"}) {
        EXPECT_NO_THROW(check_volume_name(name)) << name;
    }
    for (const char* name : {"", ".", "..", "-a", "a/b", "a@1", "a b", "mount", "snapshot", "control", "ü"}) {
        EXPECT_THROW(check_volume_name(name), Failure) << name;
    }
    EXPECT_THROW(check_volume_name(std::string(65, 'a')), Failure);
}

TEST(Names, Kinds)
{
    EXPECT_NO_THROW(check_kind_name("before-update_2"));
    for (const char* name : {"", "a.b", "a,b", "a/b", "-a"}) {
        EXPECT_THROW(check_kind_name(name), Failure) << name;
    }
}

TEST(Names, SocketsFitIntoTheirAddress)
{
    const Paths paths(VolumeName::need(std::string(64, 'v')));
    EXPECT_LT(paths.agent_socket.size(), 108u);
    EXPECT_LT(paths.snapshot_name(UINT64_MAX).size(), 128u); // a mapped device's name
    EXPECT_EQ(Paths("vol"_volume).snapshot_device(7), "/dev/mapper/vol@7");
}

TEST(Rotation, KeepsTheNewestOfEachKind)
{
    std::vector<SnapshotEntry> list;
    for (std::uint64_t i = 0; i < 50; ++i) {
        list.push_back(snapshot(i, i % 10 == 0 ? "daily" : "hourly"));
    }
    const auto out = rotated_out(list, {{"hourly", 24}, {"daily", 7}});
    EXPECT_EQ(out.size(), 45u - 24u);
    EXPECT_EQ(out.front(), 1u);
    EXPECT_TRUE(std::is_sorted(out.begin(), out.end()));
}

TEST(Rotation, ManualAndUnscheduledStay)
{
    const std::vector<SnapshotEntry> list{snapshot(0, ""), snapshot(1, "weekly"), snapshot(2, "hourly"),
                                          snapshot(3, "hourly")};
    EXPECT_EQ(rotated_out(list, {{"hourly", 1}}), (std::vector<std::uint64_t>{2}));
}

TEST(Rotation, WhatWasKeptIsNeverRotatedOut)
{
    const std::vector<Kind> schedule{{"hourly", 1}, {"undo", 1}, {"reversed", 1}}; // by an editor
    const std::vector<SnapshotEntry> list{
        snapshot(0, "undo"), snapshot(1, "reversed"), snapshot(2, "taken-back"), snapshot(3, "hourly,undo"),
        snapshot(4, "undo"), snapshot(5, "reversed"), snapshot(6, "hourly"),     snapshot(7, "hourly")};
    EXPECT_EQ(rotated_out(list, schedule), (std::vector<std::uint64_t>{6}));
}

TEST(Rotation, SeveralKindsStayWhileOneWantsThem)
{
    const std::vector<SnapshotEntry> list{snapshot(0, "hourly,daily"), snapshot(1, "hourly"),
                                          snapshot(2, "hourly")};
    EXPECT_EQ(rotated_out(list, {{"hourly", 1}, {"daily", 1}}), (std::vector<std::uint64_t>{1}));
    EXPECT_EQ(rotated_out({snapshot(0, "hourly,daily"), snapshot(1, "hourly,daily")},
                          {{"hourly", 1}, {"daily", 1}}),
              (std::vector<std::uint64_t>{0}));
}

TEST(Rotation, LinksCountFromTheNewest)
{
    std::vector<SnapshotEntry> list{snapshot(3, "hourly"), snapshot(5, "daily"), snapshot(6, "hourly"),
                                    snapshot(9, "hourly")};
    list[2].squashed = true;
    EXPECT_EQ(kind_links(list, {}),
              (std::map<std::string, std::uint64_t>{{"hourly.0", 9}, {"hourly.1", 3}, {"daily.0", 5}}));
    EXPECT_EQ(kind_links(list, {{"hourly", 1}}),
              (std::map<std::string, std::uint64_t>{{"hourly.0", 9}, {"daily.0", 5}}));
}

TEST(Rotation, SnapshotsAreCalledManyThings)
{
    std::vector<SnapshotEntry> list{snapshot(3, "hourly"), snapshot(5, "daily"), snapshot(9, "hourly")};
    list[1].uuid = "11111111-2222-3333-4444-555555555555"_uuid;
    list[1].name = "before the upgrade"_name;
    const auto id = [&](const char* text) { return find_snapshot(list, VolumeConfig{}, text).id; };
    EXPECT_EQ(id("5"), 5u);
    EXPECT_EQ(id("hourly.1"), 3u);
    EXPECT_EQ(id("latest"), 9u);
    EXPECT_EQ(id("before the upgrade"), 5u);
    EXPECT_EQ(id("11111111-2222-3333-4444-555555555555"), 5u);
    for (const char* text : {"4", "-3", "hourly", "hourly.2", "", "9x", "before"}) {
        EXPECT_THROW(id(text), Failure) << text;
    }
    list[0].name = "5"_name; // a name that is another one's number
    EXPECT_THROW(id("5"), Failure);
}

TEST(Rotation, DirectoriesOfOneSecondDiffer)
{
    std::vector<SnapshotEntry> list;
    for (std::uint64_t i = 0; i < 10; ++i) {
        list.push_back(snapshot(i, "", 1'700'000'000 * kSecond + i));
    }
    const auto names = directory_names(list);
    std::set<std::string> different;
    for (const auto& [id, name] : names) {
        different.insert(name);
    }
    EXPECT_EQ(different.size(), 10u);
    EXPECT_EQ(names.at(0), "2023.11.14-22.13.20");
    EXPECT_EQ(names.at(7), "2023.11.14-22.13.20.7");
}

TEST(Rotation, OnlyLinksAreTakenForLinks)
{
    EXPECT_TRUE(is_kind_link("hourly.0"));
    EXPECT_TRUE(is_kind_link("before-update.12"));
    for (const char* name :
         {"2023.11.14-22.13.20", "2023.11.14-22.13.20.7", "hourly", "hourly.", ".0", "a.b"}) {
        EXPECT_FALSE(is_kind_link(name)) << name;
    }
}

TEST(Mounts, SnapshotsAreMountedByType)
{
    EXPECT_EQ(snapshot_mount_options("xfs"), "ro,nouuid,norecovery");
    EXPECT_EQ(snapshot_mount_options("ext4"), "ro,noload");
    EXPECT_EQ(snapshot_mount_options("vfat"), "ro");
}

// Somebody else may have written what is in a snapshot, and it is there for ever.
TEST(Mounts, SnapshotsGiveNoRights)
{
    VolumeConfig config;
    const auto options = [&](const char* volume, const char* snapshots) {
        config.mount_options = volume;
        config.snapshot_options = snapshots;
        return snapshot_mount_options("vfat", config);
    };
    EXPECT_EQ(options("", ""), "ro,nosuid,nodev");
    EXPECT_EQ(options("suid,dev,noatime", ""), "ro,nosuid,nodev");
    EXPECT_EQ(options("noexec,nosymfollow", ""), "ro,nosuid,nodev,noexec,nosymfollow");
    EXPECT_EQ(options("noexec,exec", ""), "ro,nosuid,nodev");
    EXPECT_EQ(options("users", ""), "ro,nosuid,nodev,noexec");
    EXPECT_EQ(options("noexec", "suid,exec"), "ro,nodev");
    EXPECT_EQ(options("nosuid", "suid,dev"), "ro");
    EXPECT_EQ(options("", "noexec"), "ro,nosuid,nodev,noexec");
    for (const char* wrong : {"rw", "suid,rw", "loop", "uid=0", "SUID"}) {
        EXPECT_THROW(check_snapshot_options(wrong), Failure) << wrong;
        EXPECT_THROW(parse_config("origin='a'\nstore='b'\nsnapmountopts='" + std::string(wrong) + "'\n",
                                  "v"_volume, "x"),
                     Failure);
    }
}

} // namespace
} // namespace zumastor
