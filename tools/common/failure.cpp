// SPDX-License-Identifier: GPL-2.0
#include "tools/common/failure.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "tools/common/text.h"

namespace zumastor {
namespace {

std::string& name_storage()
{
    static std::string name = "zumastor";
    return name;
}

volatile std::sig_atomic_t interrupted_by = 0;

std::atomic<pid_t> partner = 0;
static_assert(std::atomic<pid_t>::is_always_lock_free); // a signal's handler uses it

void end_partner() noexcept
{
    if (const pid_t child = partner.exchange(0); child > 0) {
        ::kill(child, SIGTERM);
    }
}

void remember_signal(int number)
{
    const int error = errno;
    interrupted_by = number;
    end_partner();
    errno = error;
}

} // namespace

namespace {

constexpr std::size_t kLongest = 4000; // bytes of a message

} // namespace

Failure::Failure(Exit code, const std::string& what, const std::string& next)
    : std::runtime_error(shown(what, kLongest)), code_(code), next_(shown(next, kLongest))
{}

Failure errno_failure(const std::string& what, Exit code)
{
    return Failure(code, what + ": " + std::strerror(errno));
}

void set_program_name(std::string name) { name_storage() = std::move(name); }
const std::string& program_name() { return name_storage(); }

void report(const std::string& message, const std::string& next)
{
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %s\n", program_name().c_str(), shown(message, kLongest).c_str());
    if (!next.empty()) {
        std::fprintf(stderr, "  %s\n", shown(next, kLongest).c_str());
    }
}

void note(const std::string& message) { report(message); }

void catch_interrupts()
{
    struct sigaction action {};
    action.sa_handler = remember_signal; // no SA_RESTART: waits end early
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction old {};
        sigaction(number, nullptr, &old);
        if (old.sa_handler != SIG_IGN) { // nohup stays nohup
            sigaction(number, &action, nullptr);
        }
    }
}

void end_with_interrupt(pid_t child) noexcept
{
    partner = child;
    if (interrupted_by != 0) { // it came before
        end_partner();
    }
}

void check_interrupt()
{
    if (interrupted_by != 0) {
        interrupted_by = 0; // what is undone now must not be interrupted by the same signal
        throw Failure(Exit::interrupted, "interrupted");
    }
}

} // namespace zumastor
