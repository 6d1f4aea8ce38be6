// SPDX-License-Identifier: GPL-2.0
// A peer's shell that says something of its own: an `ssh` in PATH that is a script.
#include "tools/zumastor/replication/peer.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/stream/byte_stream.h"
#include "tools/zumastor/replication/session.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;
using namespace literals;

class PeerTest : public testing::Test {
protected:
    PeerTest()
    {
        path_ = std::getenv("PATH");
        ::setenv("PATH", (folder_.path() + ":" + path_).c_str(), 1);
    }
    ~PeerTest() override { ::setenv("PATH", path_.c_str(), 1); }
    void ssh(const std::string& script, const std::string& limit = "none") const
    {
        const fs::path program = folder_ / "ssh";
        // What its configuration says is asked first.
        std::ofstream(program) << "#!/bin/sh\n[ \"$1\" != -G ] || { echo connecttimeout " << limit
                               << "; exit; }\n"
                               << script;
        fs::permissions(program, fs::perms::owner_all | fs::perms::others_exec | fs::perms::others_read);
    }

    // Both directions of a session with a host whose shell ends before there is one.
    static Failure broken(bool push, const HostName& host = "host"_host, const LoginName& ssh_user = {})
    {
        Peer peer(host, ssh_user, {"zumastor", "receive", "v", "--session"});
        try {
            if (!push) {
                for (const std::string line(64U << 10, '.');;) { // until nobody reads any more
                    write_line(peer.to(), line);
                }
            }
            parse_plan(read_line(peer.from()));
            ADD_FAILURE();
        } catch (const stream::TransferError& error) {
            try {
                throw_broken(peer, error.what(), "again");
            } catch (const Failure& failure) {
                return failure;
            }
        } catch (const Failure& failure) {
            return failure;
        }
        return Failure(Exit::ok, "");
    }

    const std::string& directory() const { return folder_.path(); }

private:
    zumastor::test::ScratchFolder folder_;
    std::string path_;
};

// nologin, a forced command of something else, a quota's message: gone before the first line was taken.
TEST_F(PeerTest, WhatAShellSaysBeforeItEndsIsQuoted)
{
    ssh("exec <&-\nprintf 'This account is \\033[1mclosed\\033[0m.\\n'\nexit 1\n");
    for (const bool push : {false, true}) {
        const std::string said = broken(push).what();
        EXPECT_NE(said.find("This account is \\x1b[1mclosed\\x1b[0m."), std::string::npos)
            << push << ": " << said;
    }
    ssh("exec <&-\nprintf 'no line end'\nexit 1\n");
    for (const bool push : {false, true}) {
        const std::string said = broken(push).what();
        EXPECT_NE(said.find("no line end"), std::string::npos) << push << ": " << said;
    }
}

TEST_F(PeerTest, AGreetingBeforeTheSessionIsQuoted)
{
    ssh("echo 'Welcome to the machine'\ncat >/dev/null\n");
    const Failure failure = broken(true);
    EXPECT_NE(std::string(failure.what()).find("it said: 'Welcome to the machine'"), std::string::npos)
        << failure.what();
    EXPECT_NE(failure.next().find("~/.bashrc"), std::string::npos);
}

TEST_F(PeerTest, ItsMessagesArePassedOnHarmless)
{
    ssh("exec <&-\nprintf 'one\\033]0;x\\007\\r\\ntwo' >&2\nexit 255\n");
    testing::internal::CaptureStderr();
    const Failure failure = broken(true);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "one\\x1b]0;x\\x07\ntwo\n");
    EXPECT_EQ(failure.code(), Exit::peer_unreachable);
    EXPECT_NE(std::string(failure.what()).find("its message: two"), std::string::npos) << failure.what();
}

// Says what it is called with, a word in each line.
const char* const kSayWords = "printf '%s\\n' \"$@\" >&2\nexec <&-\nexit 255\n";

std::vector<std::string> lines_of(const std::string& text) { return split(text, '\n'); }

TEST_F(PeerTest, SshIsToldUserPortAndAddress)
{
    ssh(kSayWords);
    testing::internal::CaptureStderr();
    const Failure failure = broken(false, "me@[fe80::1%eth0]:2222"_host);
    const std::vector<std::string> expected{"-T",
                                            "-o",
                                            "BatchMode=yes",
                                            "-o",
                                            "ServerAliveInterval=15",
                                            "-o",
                                            "ServerAliveCountMax=4",
                                            "-o",
                                            "ConnectTimeout=20",
                                            "-l",
                                            "me",
                                            "-p",
                                            "2222",
                                            "--",
                                            "fe80::1%eth0",
                                            "zumastor",
                                            "receive",
                                            "v",
                                            "--session"};
    EXPECT_EQ(lines_of(testing::internal::GetCapturedStderr()), expected);
    EXPECT_EQ(failure.next(), "try: ssh -o BatchMode=yes -l me -p 2222 fe80::1%eth0 true");
    EXPECT_EQ(std::string(failure.what()).find("me@[fe80::1%eth0]:2222 cannot be reached"), 0u)
        << failure.what();
}

// As nobody of this host's, and with nothing of ours: the words of setpriv are what a guest test tries.
TEST_F(PeerTest, SshRunsAsAnotherUserWithoutPrivileges)
{
    if (::geteuid() != 0) {
        GTEST_SKIP() << "root alone can";
    }
    fs::permissions(directory(), fs::perms::owner_all | fs::perms::others_exec | fs::perms::others_read);
    ssh("id -u; id -G; env; grep -E '^(Cap|NoNewPrivs)' /proc/self/status; exec <&-\nexit 255\n");
    ::setenv("SECRET", "of root's", 1);
    const Failure failure = broken(false, "me@far"_host, LoginName::need("nobody", "test"));
    ::unsetenv("SECRET");
    const std::string what = failure.what();
    EXPECT_NE(what.find("it said: '" + std::to_string(::getpwnam("nobody")->pw_uid)), std::string::npos)
        << what;
    EXPECT_EQ(what.find("SECRET"), std::string::npos) << what;
    EXPECT_NE(what.find("CapEff:\\t0000000000000000"), std::string::npos) << what;
    EXPECT_NE(what.find("CapBnd:\\t0000000000000000"), std::string::npos) << what;
    EXPECT_NE(what.find("NoNewPrivs:\\t1"), std::string::npos) << what;
    EXPECT_EQ(failure.next(), "try: runuser -u nobody -- ssh -o BatchMode=yes -l me far true");
    EXPECT_THROW(check_ssh_user("far"_host, LoginName::need("nobody-at-all", "test")), Failure);
    EXPECT_THROW(check_ssh_user("localhost"_host, LoginName::need("nobody", "test")), Failure);
}

TEST_F(PeerTest, AnAdministratorsLimitOfTimeStays)
{
    for (const auto& [limit, ours] : {std::pair{"none", true}, {"200", false}, {"20", false}}) {
        ssh(kSayWords, limit);
        testing::internal::CaptureStderr();
        broken(false);
        const auto words = lines_of(testing::internal::GetCapturedStderr());
        EXPECT_EQ(std::count(words.begin(), words.end(), "ConnectTimeout=20"), ours ? 1 : 0) << limit;
        EXPECT_EQ(std::count(words.begin(), words.end(), "ServerAliveCountMax=4"), 1);
    }
}

// ssh's ControlPersist: what goes on in the background has our pipe for stderr.
TEST_F(PeerTest, AConnectionThatIsKeptForOthersKeepsNobodyWaiting)
{
    ssh("exec <&-\ntail -f /dev/null >/dev/null &\necho $! >&2\nexit 3\n");
    testing::internal::CaptureStderr();
    const Failure failure = broken(true);
    const int background = std::stoi(testing::internal::GetCapturedStderr());
    EXPECT_EQ(::kill(background, SIGTERM), 0) << "it was waited for";
    EXPECT_EQ(failure.code(), Exit::partly);
}

} // namespace
} // namespace zumastor
