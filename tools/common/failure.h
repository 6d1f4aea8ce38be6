// SPDX-License-Identifier: GPL-2.0
// How the tools fail: an exception that carries the exit code, what went wrong with which object, and
// what to do next. It is caught in one place, run_tool().
#pragma once

#include <sys/types.h>

#include <stdexcept>
#include <string>

namespace zumastor {

// Exit codes of all tools; documented, never renumbered.
enum class Exit : int {
    ok = 0,
    failed = 1,
    usage = 2,
    partly = 3,
    not_found = 4,
    exists = 5,
    busy = 6,
    store_full = 7,
    peer_unreachable = 8,
    mismatch = 9,
    missing = 10, // kernel module, daemon, or another program
    interrupted = 130,
};

// Its texts are as shown() makes them: whatever stands in them, of a file's or a peer's, it is only shown.
class Failure : public std::runtime_error {
public:
    Failure(Exit code, const std::string& what, const std::string& next = {});
    Exit code() const noexcept { return code_; }
    const std::string& next() const noexcept { return next_; } // advice; may be empty

private:
    Exit code_;
    std::string next_;
};

// "WHAT: strerror(errno)" as a Failure.
Failure errno_failure(const std::string& what, Exit code = Exit::failed);

// Prints "PROGRAM: message" and the advice to stderr.
void report(const std::string& message, const std::string& next = {});
void note(const std::string& message); // to stderr, for what is worth knowing but no failure
void set_program_name(std::string name);
const std::string& program_name();

// SIGINT, SIGTERM and SIGHUP set a flag that waits and long steps look at, so that what was begun is
// undone in order. Throws Exit::interrupted once one of them has come.
void catch_interrupts();
void check_interrupt();
// From now on an interrupt ends this child, too: who waits for what it reads or writes goes on at once. 0:
// none, to be said before its number can belong to another process.
void end_with_interrupt(pid_t child) noexcept;

} // namespace zumastor
