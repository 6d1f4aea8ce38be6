// SPDX-License-Identifier: GPL-2.0
// Whom a volume is exported to, by the forms that exports(5) allows, and what becomes of it for its
// snapshots.
#include "tools/zumastor/exports.h"

#include <gtest/gtest.h>

#include "tools/zumastor/samba.h"

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
