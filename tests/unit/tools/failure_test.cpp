// SPDX-License-Identifier: GPL-2.0
// Interrupts: remembered, and a child that the program may be waiting for is ended.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <gtest/gtest.h>

#include "tools/common/failure.h"

namespace zumastor {
namespace {

// A child that ends only by a signal, also by one that comes before it has begun.
pid_t start_waiting()
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
            (void)std::signal(number, SIG_DFL);
        }
        sigprocmask(SIG_SETMASK, &before, nullptr);
        for (;;) {
            ::pause();
        }
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return child;
}

int signal_that_ended(pid_t child)
{
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

Exit interrupted()
{
    try {
        check_interrupt();
    } catch (const Failure& failure) {
        return failure.code();
    }
    return Exit::ok;
}

TEST(Interrupt, EndsTheChildThatIsWaitedFor)
{
    catch_interrupts();
    const pid_t child = start_waiting();
    end_with_interrupt(child);
    ASSERT_EQ(std::raise(SIGTERM), 0);
    EXPECT_EQ(signal_that_ended(child), SIGTERM);
    EXPECT_EQ(interrupted(), Exit::interrupted);
    EXPECT_EQ(interrupted(), Exit::ok); // once
}

TEST(Interrupt, ThatCameBeforeTheChildCounts)
{
    catch_interrupts();
    ASSERT_EQ(std::raise(SIGTERM), 0);
    const pid_t child = start_waiting();
    end_with_interrupt(child);
    EXPECT_EQ(signal_that_ended(child), SIGTERM);
    EXPECT_EQ(interrupted(), Exit::interrupted);
}

TEST(Interrupt, LeavesAloneWhomNobodyWaitsFor)
{
    catch_interrupts();
    const pid_t child = start_waiting();
    end_with_interrupt(child);
    end_with_interrupt(0);
    ASSERT_EQ(std::raise(SIGTERM), 0);
    EXPECT_EQ(interrupted(), Exit::interrupted);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, WNOHANG), 0);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    EXPECT_EQ(signal_that_ended(child), SIGKILL);
}

} // namespace
} // namespace zumastor
