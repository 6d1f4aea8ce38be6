// SPDX-License-Identifier: GPL-2.0
// Programs that are executed: never through a shell, always with a time limit.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace zumastor {

struct ProgramResult {
    int status = 0;     // exit code, or 128 + signal
    std::string output; // stdout and stderr together, trailing blanks removed
};

// Runs `argv` (argv[0] is looked for in PATH) with no input and waits for its end. Throws if it cannot be
// executed, takes longer than `limit` (it is then killed) or the user interrupts.
ProgramResult run_program(const std::vector<std::string>& argv, std::chrono::milliseconds limit);

// The program of that name in PATH; empty if there is none.
std::string find_in_path(const std::string& program);

// Looks for `name` beside this program, in the build tree, where packages put it, and in PATH. Throws
// Exit::missing if it is nowhere.
std::string find_daemon();

// Waits for the end of a process that need not be our child. False when `limit` passes.
bool wait_for_exit(int pid, std::chrono::milliseconds limit);

// Asks on the terminal; without one, or if the answer is not yes, throws. `yes`: the answer is known. No lock
// may be held (held_locks.h).
void confirm(const std::string& question, bool yes);

// The content of a (small) file; empty if it cannot be read, or is none.
std::string read_text(const std::string& path);
// The same, but throws then.
std::string need_text(const std::string& path);
// Replaces the file at once: written beside it, flushed, renamed. It has this mode, whatever the umask.
// Throws.
void write_text(const std::string& path, const std::string& text, unsigned mode = 0644);

} // namespace zumastor
