// SPDX-License-Identifier: GPL-2.0
// Who else has a device: other volumes, lines of fstab, LVM and its like.
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/store_owner.h"
#include "tools/zumastor/host/device_claims.h"
#include "tools/zumastor/systemd/fstab.h"
#include "tools/zumastor/volume/other_users.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUuid = "01234567-89ab-4def-8123-456789abcdef";

class OtherUsers : public testing::Test {
protected:
    void SetUp() override
    {
        write_text(root_ + "/disk", "");
        write_text(root_ + "/other", "");
    }

    VolumeConfig volume(const std::string& name, const std::string& origin, const std::string& store) const
    {
        VolumeConfig config;
        config.name = VolumeName::need(name);
        config.origin = root_ + "/" + origin;
        config.store = root_ + "/" + store;
        return config;
    }
    std::vector<RawLine> lines(const std::string& text, bool links_hidden) const
    {
        write_text(root_ + "/fstab", text);
        return raw_lines(volume("data", "disk", "store"), links_hidden, root_ + "/fstab");
    }

    zumastor::test::ScratchFolder folder_;
    const std::string& root_ = folder_.path();
};

TEST_F(OtherUsers, OneDeviceIsOneVolumes)
{
    const VolumeConfig data = volume("data", "disk", "store");
    EXPECT_TRUE(common_claims(data, {data, volume("web", "other", "elsewhere")}).empty());
    fs::create_symlink(root_ + "/disk", root_ + "/link");
    fs::create_hard_link(root_ + "/disk", root_ + "/hard");
    for (const char* name : {"disk", "link", "hard"}) { // whatever it is called, whatever for
        const auto claims =
            common_claims(data, {volume("web", "other", name), volume("old", name, "elsewhere")});
        ASSERT_EQ(claims.size(), 2U) << name;
        EXPECT_EQ(claims[0].volume, "web");
        EXPECT_EQ(claims[0].what, data.origin);
        EXPECT_EQ(claims[1].volume, "old");
    }
}

TEST_F(OtherUsers, OneStoreIsOneVolumes)
{
    VolumeConfig data = volume("data", "a", "b");
    VolumeConfig copy = volume("copy", "c", "d");
    EXPECT_TRUE(common_claims(data, {copy}).empty()); // no uuid yet is no uuid in common
    data.uuid = copy.uuid = kUuid;
    ASSERT_EQ(common_claims(data, {copy}).size(), 1U);
    EXPECT_EQ(common_claims(data, {copy})[0].what, std::string("the store ") + kUuid);
}

TEST_F(OtherUsers, AStoreIsFoundInFilesThatCannotBeParsed)
{
    EXPECT_FALSE(owner_of_store(kUuid, root_ + "/missing"));
    write_text(root_ + "/web.toml", "uuid = \"11111111-89ab-4def-8123-456789abcdef\"\n");
    EXPECT_FALSE(owner_of_store(kUuid, root_));
    write_text(root_ + "/data.toml", std::string("nonsense = \nuuid = \"") + kUuid + "\"\n");
    EXPECT_EQ(owner_of_store(kUuid, root_), "data");
    fs::create_directory(root_ + "/a.toml"); // is nobody's
    EXPECT_EQ(owner_of_store(kUuid, root_), "data");
    EXPECT_FALSE(owner_of_store("22222222-89ab-4def-8123-456789abcdef", root_));
}

TEST_F(OtherUsers, AFileThatCannotBeReadMayOwnAnyStore)
{
    fs::create_symlink(root_ + "/nowhere", root_ + "/data.toml");
    EXPECT_THROW((void)owner_of_store(kUuid, root_), Failure);
}

TEST_F(OtherUsers, FstabMountsTheDiskItself)
{
    const std::string disk = root_ + "/disk";
    const auto found =
        lines("# " + disk + " /no ext4 defaults 0 0\nproc /proc proc defaults 0 0\n" +
                  "/dev/mapper/data /srv ext4 nofail 0 0\nnfs:/x /x nfs defaults 0 0\n" + root_ +
                  "/other /other ext4 defaults 0 0\n" + disk + " /srv ext4 noauto 0 2\n",
              true);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(describe(found[0]),
              "/etc/fstab has " + disk + " at /srv: it names the disk itself, not the volume");
    EXPECT_EQ(remedy(volume("data", "disk", "store"), found[0]),
              "remove the line (define master mounts the volume), or change it to: /dev/mapper/data /srv … "
              "nofail,x-systemd.requires=zumastor@data.service");
}

TEST_F(OtherUsers, NoFstabHasNoLines)
{
    EXPECT_TRUE(raw_lines(volume("data", "disk", "store"), false, root_ + "/missing").empty());
    EXPECT_TRUE(lines("", false).empty());
}

TEST_F(OtherUsers, TheFilterOfLvmNamesTheDiskAlone)
{
    EXPECT_EQ(lvm_filter("/dev/vda"),
              "devices { global_filter = [ \"r|^/dev/vda$|\", \"r|^/dev/zumastor/.*/[0-9]+$|\" ] }");
    EXPECT_NE(lvm_filter("/dev/disk/by-id/a.b+c").find(R"(r|^/dev/disk/by-id/a\\.b\\+c$|)"),
              std::string::npos);
}

TEST_F(OtherUsers, OnlySomeTypesHaveOtherUsers)
{
    for (const char* type : {"LVM2_member", "linux_raid_member", "mpath_member"}) {
        ASSERT_EQ(users_of_type(type, "/dev/sdb", "data").size(), 1U) << type;
        EXPECT_FALSE(users_of_type(type, "/dev/sdb", "data")[0].remedy.empty());
    }
    for (const char* type : {"ext4", "xfs", "dos", ""}) {
        EXPECT_TRUE(users_of_type(type, "/dev/sdb", "data").empty()) << type;
    }
}

} // namespace
} // namespace zumastor
