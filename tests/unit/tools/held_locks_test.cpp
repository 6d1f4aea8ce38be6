// SPDX-License-Identifier: GPL-2.0
// No lock over a question, and not the volume's over a wait for another host.
#include "tools/common/held_locks.h"

#include <pty.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ddsnapd/disk/unique_fd.h"
#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/common/look_and_ask.h"
#include "tools/zumastor/replication/peer.h"
#include "tools/zumastor/replication/session.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;
using namespace literals;

TEST(HeldLocks, NothingIsAskedWithOne)
{
    for (const LockKind kind : {LockKind::volume, LockKind::stream}) {
        const HeldLock lock(kind);
        EXPECT_THROW(confirm("?", true), std::logic_error); // also if nobody would be asked
    }
    confirm("?", true);
}

TEST(HeldLocks, NoHostIsWaitedForWithAVolumes)
{
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const UniqueFd from(ends[0]);
    const UniqueFd to(ends[1]);
    {
        const HeldLock stream(LockKind::stream);
        write_line(to.get(), "x");
        const HeldLock volume(LockKind::volume);
        EXPECT_THROW(Peer("localhost"_host, {}, {"true"}), std::logic_error);
        EXPECT_THROW(write_line(to.get(), "y"), std::logic_error);
        EXPECT_THROW(read_line(from.get()), std::logic_error);
    }
    EXPECT_EQ(read_line(from.get()), "x");
}

TEST(HeldLocks, AreCountedWhereverTheyAreMoved)
{
    {
        HeldLock lock(LockKind::volume);
        const HeldLock moved(std::move(lock));
        EXPECT_THROW(about_to_ask(), std::logic_error);
        const HeldLock second(LockKind::volume);
    }
    about_to_ask();
}

// A terminal, and somebody at it.
class Terminal {
public:
    Terminal()
    {
        int master = -1;
        int slave = -1;
        if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) {
            throw errno_failure("no terminal");
        }
        master_ = UniqueFd(master);
        for (const int fd : {STDIN_FILENO, STDERR_FILENO}) {
            saved_.emplace_back(fd, ::dup(fd));
            ::dup2(slave, fd);
        }
        ::close(slave);
    }
    ~Terminal()
    {
        for (const auto& [fd, saved] : saved_) {
            ::dup2(saved, fd);
            ::close(saved);
        }
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    // What is shown until a question is complete; then the answer is typed.
    std::string answer(const std::string& typed)
    {
        std::string seen;
        while (seen.find("Go on? [y/N] ") == std::string::npos) {
            std::array<char, 256> buffer{};
            const auto got = ::read(master_.get(), buffer.data(), buffer.size());
            if (got <= 0) {
                throw errno_failure("the terminal has gone");
            }
            seen.append(buffer.data(), static_cast<std::size_t>(got));
        }
        about_to_ask(); // throws if a lock is held while it is open
        const std::string line = typed + "\n";
        EXPECT_EQ(::write(master_.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
        return seen;
    }

private:
    UniqueFd master_;
    std::vector<std::pair<int, int>> saved_;
};

struct Found {
    HeldLock lock{LockKind::volume};
    int times = 0;
    std::string question;
};

TEST(LookAndAsk, TheLockIsGivenUpMeanwhileAndAllIsLookedAtAgain)
{
    Terminal terminal;
    std::string seen;
    std::thread person([&] {
        seen = terminal.answer("y");
        seen += terminal.answer("y");
    });
    int times = 0;
    const std::array<std::string, 3> questions{"one is lost", "two are lost", "two are lost"};
    const Found found = look_and_ask(false, [&] {
        Found now;
        now.times = ++times;
        now.question = questions.at(static_cast<std::size_t>(times - 1));
        return now;
    });
    person.join();
    EXPECT_EQ(found.times, 3); // what was answered for one does not count for two
    EXPECT_NE(seen.find("one is lost"), std::string::npos) << seen;
    EXPECT_NE(seen.find("two are lost"), std::string::npos) << seen;
    EXPECT_THROW(about_to_ask(), std::logic_error); // it has its lock
}

TEST(LookAndAsk, NoIsNo)
{
    Terminal terminal;
    std::thread person([&] { terminal.answer("n"); });
    EXPECT_THROW(look_and_ask(false,
                              [] {
                                  return Found{HeldLock(LockKind::volume), 1, "all is lost"};
                              }),
                 Failure);
    person.join();
    about_to_ask();
}

TEST(LookAndAsk, WhatNeedsNoQuestionIsLookedAtOnce)
{
    for (const auto& [yes, question] : {std::pair{true, "all is lost"}, {false, ""}}) {
        int times = 0;
        look_and_ask(yes, [&, text = std::string(question)] {
            ++times;
            return Found{HeldLock(LockKind::volume), times, text};
        });
        EXPECT_EQ(times, 1);
    }
}

} // namespace
} // namespace zumastor
