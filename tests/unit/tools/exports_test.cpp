// SPDX-License-Identifier: GPL-2.0
// Whom a volume is exported to, by the forms that exports(5) allows, and what becomes of it for its
// snapshots.
#include "tools/zumastor/host/exports.h"

#include <sys/sysmacros.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/process.h"
#include "tools/zumastor/host/nfs.h"
#include "tools/zumastor/volume/samba.h"

namespace zumastor {
namespace {

using Clients = std::vector<ExportClient>;

TEST(Exports, NamesTheClientsOfOneDirectory)
{
    const std::string text = "# /srv/data nobody(rw)\n"
                             "/srv/other elsewhere(rw)\n"
                             "/srv/data 10.0.0.0/8(rw,sync) @trusted(ro) # a remark\n";
    EXPECT_EQ(clients_in(text, "/srv/data"), (Clients{{"10.0.0.0/8", {"rw", "sync"}}, {"@trusted", {"ro"}}}));
    EXPECT_EQ(clients_in(text, "/srv"), Clients{});
}

TEST(Exports, TakesDefaultsContinuedLinesAndNobodyInParticular)
{
    EXPECT_EQ(clients_in("/srv/data -sync,no_subtree_check \\\n  one two(rw)\n", "/srv/data"),
              (Clients{{"one", {"sync", "no_subtree_check"}}, {"two", {"sync", "no_subtree_check", "rw"}}}));
    EXPECT_EQ(clients_in("/srv/data (ro)", "/srv/data"), (Clients{{"*", {"ro"}}}));
}

TEST(Exports, ReadsPathsWithBlanks)
{
    for (const char* text : {"\"/srv/my data\" host(rw)", "/srv/my\\040data host(rw)"}) {
        EXPECT_EQ(clients_in(text, "/srv/my data"), (Clients{{"host", {"rw"}}})) << text;
    }
    EXPECT_EQ(clients_in("/srv/data host\\04", "/srv/data"), (Clients{{"host\\04", {}}})); // no escape
}

TEST(Exports, SnapshotsAreReadOnlyAndHaveAnIdentityOfTheirOwn)
{
    const Clients clients{{"host", {"rw", "fsid=17", "crossmnt", "sec=krb5", "no_root_squash"}}, {"*", {}}};
    const std::string text = format_exports("v", clients, {{"/run/a b", "0a"}, {"/run/c", "0b"}});
    EXPECT_EQ(text.substr(text.find('\n') + 1),
              "/run/a\\040b host(ro,fsid=0a,sec=krb5,no_root_squash) *(ro,fsid=0a)\n"
              "/run/c host(ro,fsid=0b,sec=krb5,no_root_squash) *(ro,fsid=0b)\n");
    EXPECT_EQ(clients_in(text, "/run/a b").size(), 2);
    EXPECT_EQ(format_exports("v", clients, {}), "");
}

// exportfs -r makes the server's table anew, and loses whomever it cannot look up just then.
TEST(Exports, OnlyOurOwnAreTouched)
{
    using Commands = std::vector<std::vector<std::string>>;
    const std::string one = "/run/1 a.example(ro,fsid=01) 10.0.0.0/8(ro,fsid=01)\n";
    const std::string two = "/run/2 a.example(ro,fsid=02) fd00::1(ro,fsid=02)\n";
    const std::string table =
        "/srv/x\tother.example(rw,fsid=7)\n/run/1\ta.example(ro)\n/run/1\t10.0.0.0/8(ro)\n";
    EXPECT_EQ(exportfs_commands(one, one, table), Commands{}); // it is so already
    EXPECT_EQ(exportfs_commands(one, "# nothing\n" + two, table),
              (Commands{{"-u", "a.example:/run/1"},
                        {"-u", "10.0.0.0/8:/run/1"},
                        {"-i", "-o", "ro,fsid=02", "a.example:/run/2"},
                        {"-i", "-o", "ro,fsid=02", "[fd00::1]:/run/2"}}));
    EXPECT_EQ(exportfs_commands(one, "", ""), Commands{}); // the server was started anew, without it
    EXPECT_EQ(exportfs_commands(one, one, "").size(), 2U);
    EXPECT_EQ(exportfs_commands(one, "/run/1 a.example(ro,fsid=09)\n", table),
              (Commands{{"-u", "10.0.0.0/8:/run/1"}, {"-i", "-o", "ro,fsid=09", "a.example:/run/1"}}));
    EXPECT_EQ(exportfs_commands("/run/a\\040b *(ro)\n", "", "/run/a\\040b\t*(ro)\n"),
              (Commands{{"-u", "*:/run/a b"}}));
}

TEST(Exports, NamesAreTheClientsThatMustBeLookedUp)
{
    EXPECT_EQ(names_in_table(
                  "/a\tb.example(rw)\n/a\t10.0.0.1(rw)\n/a\t10.0.0.0/8(rw)\n/a\t*(ro)\n/a\t*.example(ro)\n"
                  "/a\t@trusted(ro)\n/a\tfd00::1(ro)\n/b c.example(ro)\n/d\tgss/krb5(ro)\n"),
              (std::set<std::string>{"b.example", "c.example"}));
    EXPECT_TRUE(names_in_table("").empty());
}

TEST(Nfs, KnowsWhichClientsHaveFilesOfAFilesystemOpen)
{
    const zumastor::test::ScratchFolder folder;
    const std::string& directory = folder.path();
    EXPECT_TRUE(nfs_clients_on(makedev(254, 3), directory + "/none").empty());
    const auto add = [&](const std::string& client, const std::string& address, const std::string& states) {
        std::filesystem::create_directory(directory + "/" + client);
        write_text(directory + "/" + client + "/info",
                   "clientid: 0x1\naddress: \"" + address + "\"\nname: \"Linux NFSv4.2 client\"\n");
        write_text(directory + "/" + client + "/states", states);
    };
    add("3", "192.168.1.7:815",
        "- 0x01: { type: open, access: r-, deny: --, superblock: \"fe:03:12\", filename: \"file\" }\n");
    add("4", "[fd00::2]:990", "- 0x02: { type: open, superblock: \"fe:02:12\", filename: \"fe:03:1\" }\n");
    add("5", "192.168.1.9:700", "");
    EXPECT_EQ(nfs_clients_on(makedev(254, 3), directory), std::vector<std::string>{"192.168.1.7"});
    EXPECT_EQ(nfs_clients_on(makedev(254, 2), directory), std::vector<std::string>{"[fd00::2]"});
    EXPECT_TRUE(nfs_clients_on(makedev(254, 12), directory).empty());
}

TEST(Samba, TheShareHasThePathsOfTheVolume)
{
    const std::string share = format_share("v", "/srv/v", "/run/snapshots");
    for (const char* line :
         {"\npath = /srv/v\n", "\nshadow:basedir = /srv/v\n", "\nshadow:snapdir = /run/snapshots\n"}) {
        EXPECT_NE(share.find(line), std::string::npos) << line;
    }
}

} // namespace
} // namespace zumastor
