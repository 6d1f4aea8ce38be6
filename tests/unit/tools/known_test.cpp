// SPDX-License-Identifier: GPL-2.0
#include "tools/common/known.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/daemon.h"
#include "tools/common/process.h"
#include "tools/zumastor/state/holds.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

const UuidText kReplica = UuidText::need("01234567-89ab-4def-8123-456789abcdef");

class KnownTest : public testing::Test {
protected:
    // What no user can read, root neither: a loop of links.
    std::string unknowable() const
    {
        fs::create_symlink("loop", directory + "/loop");
        return directory + "/loop";
    }

    zumastor::test::ScratchFolder folder;
    const std::string& directory = folder.path();
};

TEST_F(KnownTest, ThereOrNot)
{
    write_text(directory + "/file", "text");
    EXPECT_EQ(text_of(directory + "/file").need(), "text");
    EXPECT_EQ(text_of(directory + "/other").need(), std::nullopt);
    EXPECT_EQ(text_of(directory + "/file/below").need(), std::nullopt);
    EXPECT_TRUE(look_at(directory + "/file").is_there());
    EXPECT_FALSE(look_at(directory + "/other").need());
    EXPECT_EQ(entries_of(directory).need()->size(), 1U);
    EXPECT_FALSE(entries_of(directory + "/other").need());
}

TEST_F(KnownTest, AnErrorIsNoAnswer)
{
    const std::string loop = unknowable();
    EXPECT_TRUE(text_of(loop).is_unknown());
    EXPECT_TRUE(entries_of(loop).is_unknown());
    EXPECT_TRUE(look_at(loop).is_unknown());
    EXPECT_TRUE(look_at_link(loop).is_there());
    EXPECT_TRUE(text_of(directory).is_unknown()); // a directory has no text, but it is there
    EXPECT_THROW((void)text_of(loop).need(), Failure);
}

TEST_F(KnownTest, ADiskThatIsNotMountedIsNotEmpty)
{
    fs::create_symlink("/nowhere/at/all", directory + "/link");
    EXPECT_TRUE(text_of(directory + "/link").is_unknown());
    EXPECT_TRUE(entries_of(directory + "/link").is_unknown());
    EXPECT_TRUE(text_of(directory + "/link/holds.json").is_unknown());
    EXPECT_FALSE(look_at(directory + "/link").need()); // a name below /dev leads to no device
}

TEST_F(KnownTest, WhoMayNotAskIsSentToRoot)
{
    EXPECT_NE(std::string(cannot_be_known("x", EACCES).what()).find("Permission denied"), std::string::npos);
    EXPECT_EQ(cannot_be_known("x", EACCES).next().empty(), ::geteuid() == 0);
    EXPECT_EQ(cannot_be_known("x", EIO).next(), "");
}

// What is remembered decides what may be deleted.
TEST_F(KnownTest, StateThatCannotBeReadIsNotTakenForNone)
{
    EXPECT_TRUE(snapshots_in_use(directory).empty());
    const std::string loop = unknowable();
    EXPECT_THROW((void)snapshots_in_use(loop), Failure);
    EXPECT_THROW((void)load_target_states(loop), Failure);
    EXPECT_THROW((void)load_target_state(loop, kReplica), Failure);
    EXPECT_THROW((void)load_holds(loop), Failure);
    EXPECT_THROW((void)load_revert(loop), Failure);
    EXPECT_THROW((void)load_replica_state(loop), Failure);
    EXPECT_THROW(forget_target_state(loop, kReplica), Failure);
}

TEST_F(KnownTest, ADaemonIsGoneOnlyIfNobodyListens)
{
    const std::string path = directory + "/sock";
    EXPECT_FALSE(Daemon::ask(path, "volume a").is_unknown());
    EXPECT_FALSE(Daemon::ask(path, "volume a").is_there());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    const ddsnap::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_FALSE(Daemon::ask(path, "volume a").is_unknown()); // refused: left behind
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_TRUE(Daemon::ask(path, "volume a").is_there());
    EXPECT_TRUE(Daemon::ask(unknowable(), "volume a").is_unknown());
}

} // namespace
} // namespace zumastor
