// SPDX-License-Identifier: GPL-2.0
// What is mounted where, and what goes with what: as the kernel writes it in mountinfo.
#include <sys/sysmacros.h>

#include <gtest/gtest.h>

#include "tools/common/mount_table.h"

namespace zumastor {
namespace {

constexpr int kVolumeMajor = 253;

const char* const kHost = R"(21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
25 21 0:22 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=100k
40 25 253:0 / /run/zumastor/mount/a rw,relatime shared:9 - ext4 /dev/mapper/a rw
41 40 0:22 /zumastor/snapshot/a /run/zumastor/mount/a/.snapshot rw shared:12 - tmpfs tmpfs rw
)";

// The places of what stays of the volume's device when the host's mounts `ours` are unmounted.
std::vector<std::string> staying_of(const std::vector<std::string>& others, const std::set<int>& ours,
                                    const char* host = kHost)
{
    std::vector<MountNamespace> spaces{{1, 1, parse_mounts(host)}};
    int process = 100;
    for (const std::string& text : others) {
        spaces.push_back({static_cast<std::uint64_t>(process), process, parse_mounts(text)});
        ++process;
    }
    std::vector<std::string> places;
    for (const Elsewhere& copy : staying(
             spaces, [](const Mount& mount) { return mount.device == makedev(kVolumeMajor, 0); }, ours)) {
        places.push_back(std::to_string(copy.space->process) + " " + copy.mount->target);
    }
    return places;
}

using Places = std::vector<std::string>;

TEST(MountTable, ALineHasAllItsParts)
{
    const auto mount =
        parse_mount(R"(36 35 98:0 /a\040b /srv/with\040blank\134 rw,noatime )"
                    R"(shared:7 master:3 propagate_from:2 - ext3 /dev/x\011y rw,errors=continue)");
    ASSERT_TRUE(mount);
    EXPECT_EQ(mount->id, 36);
    EXPECT_EQ(mount->parent, 35);
    EXPECT_EQ(mount->device, makedev(98, 0));
    EXPECT_EQ(mount->root, "/a b");
    EXPECT_EQ(mount->target, "/srv/with blank\\");
    EXPECT_EQ(mount->shared, 7);
    EXPECT_EQ(mount->master, 3);
    EXPECT_EQ(mount->type, "ext3");
    EXPECT_EQ(mount->source, "/dev/x\ty");
    EXPECT_EQ(mount->options, "rw,noatime,rw,errors=continue");
}

TEST(MountTable, AMountWithoutASourceIsOne)
{
    const auto mount = parse_mount("36 35 0:9 / /mnt rw - tmpfs  rw,size=4k");
    ASSERT_TRUE(mount);
    EXPECT_EQ(mount->source, "");
    EXPECT_EQ(mount->options, "rw,rw,size=4k");
}

TEST(MountTable, WhatIsNoLineIsNone)
{
    for (const char* line : {"", "36 35 98:0 / /mnt rw", "36 35 98 / /mnt rw - ext3 /dev/x rw",
                             "- - - - - - -", "36 35 98:0 / /mnt - ext3 /dev/x rw"}) {
        EXPECT_FALSE(parse_mount(line)) << line;
    }
    const auto odd = parse_mount(R"(x y 1:z / /a\9 rw - t s o)"); // numbers that are none: 0
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd->id, 0);
    EXPECT_EQ(odd->target, "/a\\9");
}

TEST(MountTable, APathIsOnTheUppermostMount)
{
    std::vector<Mount> mounts = parse_mounts(kHost);
    EXPECT_EQ(device_at(mounts, "/srv"), makedev(8, 1));
    EXPECT_EQ(device_at(mounts, "/run"), makedev(0, 22));
    EXPECT_EQ(device_at(mounts, "/running"), makedev(8, 1));
    EXPECT_EQ(device_at(mounts, "/run/zumastor/mount/a/b"), makedev(kVolumeMajor, 0));
    mounts.push_back(*parse_mount("50 25 0:77 / /run rw - tmpfs over rw"));
    EXPECT_EQ(device_at(mounts, "/run/x"), makedev(0, 77));
    EXPECT_EQ(device_at({}, "/run"), 0U);
}

TEST(MountTable, APrivateCopyStays)
{
    const char* other = R"(90 1 8:1 / / rw - ext4 /dev/sda1 rw
91 90 0:22 / /run rw - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw - ext4 /dev/mapper/a rw
)";
    EXPECT_EQ(staying_of({other}, {40, 41}), Places{"100 /run/zumastor/mount/a"});
}

TEST(MountTable, ACopyOnADependentDirectoryGoes)
{
    const char* slave = R"(90 1 8:1 / / rw master:1 - ext4 /dev/sda1 rw
91 90 0:22 / /run rw master:5 - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw master:9 - ext4 /dev/mapper/a rw
)";
    const char* peer = R"(93 1 0:22 / /host/run rw shared:5 - tmpfs tmpfs rw
94 93 253:0 / /host/run/zumastor/mount/a rw shared:9 - ext4 /dev/mapper/a rw
)";
    EXPECT_EQ(staying_of({slave, peer}, {40, 41}), Places{});
    EXPECT_EQ(staying_of({slave}, {}), Places{"100 /run/zumastor/mount/a"}) << "nothing is unmounted";
}

// It is its parent that counts: a unit whose own mount is private, or one whose parent is.
TEST(MountTable, TheParentDecides)
{
    const char* goes = R"(91 1 0:22 / /run rw master:5 - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw - ext4 /dev/mapper/a rw
)";
    const char* stays = R"(91 1 0:22 / /run rw - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw master:9 - ext4 /dev/mapper/a rw
)";
    EXPECT_EQ(staying_of({goes, stays}, {40}), Places{"101 /run/zumastor/mount/a"});
}

// A service that a container's service has been made from.
TEST(MountTable, ACopyOfACopyGoesWithIt)
{
    const char* first = R"(91 1 0:22 / /run rw shared:30 master:5 - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw shared:31 master:9 - ext4 /dev/mapper/a rw
)";
    const char* second = R"(93 1 0:22 / /run rw master:30 - tmpfs tmpfs rw
94 93 253:0 / /run/zumastor/mount/a rw master:31 - ext4 /dev/mapper/a rw
)";
    EXPECT_EQ(staying_of({first, second}, {40}), Places{});
    EXPECT_EQ(staying_of({second}, {40}), Places{"100 /run/zumastor/mount/a"}) << "the link is not seen";
}

TEST(MountTable, AnotherPlaceInADependentDirectoryStays)
{
    const char* other = R"(91 1 0:22 /zumastor /z rw master:5 - tmpfs tmpfs rw
92 91 253:0 / /z/mount/a rw - ext4 /dev/mapper/a rw
93 91 253:0 /sub /z/mount/elsewhere rw - ext4 /dev/mapper/a rw
)";
    EXPECT_EQ(staying_of({other}, {40}), Places{"100 /z/mount/elsewhere"});
}

TEST(MountTable, WhatIsMountedOnACopyKeepsIt)
{
    const char* other = R"(91 1 0:22 / /run rw master:5 - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw master:9 - ext4 /dev/mapper/a rw
95 92 0:40 / /run/zumastor/mount/a/tmp rw - tmpfs tmpfs rw
)";
    EXPECT_EQ(staying_of({other}, {40}), Places{"100 /run/zumastor/mount/a"});
}

TEST(MountTable, DotSnapshotGoesWithTheOrigin)
{
    const char* other = R"(91 1 0:22 / /run rw master:5 - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw master:9 - ext4 /dev/mapper/a rw
96 92 0:22 /zumastor/snapshot/a /run/zumastor/mount/a/.snapshot rw master:12 - tmpfs tmpfs rw
)";
    EXPECT_EQ(staying_of({other}, {40, 41}), Places{});
    EXPECT_EQ(staying_of({other}, {40}), Places{"100 /run/zumastor/mount/a"}) << ".snapshot is not unmounted";
}

TEST(MountTable, OurOwnPrivateMountTakesNothingWithIt)
{
    const char* host = R"(25 21 0:22 / /run rw - tmpfs tmpfs rw
40 25 253:0 / /run/zumastor/mount/a rw shared:9 - ext4 /dev/mapper/a rw
)";
    const char* other = R"(91 1 0:22 / /run rw - tmpfs tmpfs rw
92 91 253:0 / /run/zumastor/mount/a rw master:9 - ext4 /dev/mapper/a rw
)";
    EXPECT_EQ(staying_of({other}, {40}, host), Places{"100 /run/zumastor/mount/a"});
}

TEST(MountTable, GroupsHaveNames)
{
    const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    EXPECT_EQ(group_of("0::/system.slice/docker-" + id + ".scope\n"), "container 0123456789ab");
    EXPECT_EQ(group_of("0::/machine.slice/libpod-" + id + ".scope/container\n"), "container 0123456789ab");
    EXPECT_EQ(group_of("12:pids:/docker/" + id + "\n11:cpu:/docker/" + id + "\n"), "container 0123456789ab");
    EXPECT_EQ(group_of("0::/lxc.payload.web/init.scope\n"), "container web");
    EXPECT_EQ(group_of("0::/machine.slice/machine-web\\x2d1.scope/payload\n"), "container web-1");
    EXPECT_EQ(group_of("0::/machine.slice/systemd-nspawn@web.service/payload\n"), "container web");
    EXPECT_EQ(group_of("0::/system.slice/nginx.service\n"), "unit nginx.service");
    EXPECT_EQ(group_of("0::/user.slice/user-0.slice/session-3.scope\n"), "unit session-3.scope");
    EXPECT_EQ(group_of("0::/\n"), "");
    EXPECT_EQ(group_of(""), "");
    EXPECT_EQ(group_of("0::/machine-\\x\n0::/docker-.scope"), "unit docker-.scope");
}

} // namespace
} // namespace zumastor
