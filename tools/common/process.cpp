// SPDX-License-Identifier: GPL-2.0
#include "tools/common/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/common/held_locks.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;
using Clock = std::chrono::steady_clock;

// glibc has pidfd_open() since 2.36 only.
int open_pid(int pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// In the child: never returns.
[[noreturn]] void execute(const std::vector<std::string>& argv, int output)
{
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    std::vector<char*> words;
    words.reserve(argv.size() + 1);
    for (const std::string& word : argv) {
        words.push_back(const_cast<char*>(word.c_str())); // execvp() writes to none of them
    }
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
}

std::string read_all(int fd)
{
    std::string text;
    std::array<char, 4096> block{};
    ssize_t n = 0;
    while ((n = ::pread(fd, block.data(), block.size(), static_cast<off_t>(text.size()))) > 0) {
        text.append(block.data(), static_cast<std::size_t>(n));
    }
    text.erase(text.find_last_not_of(" \n\r\t") + 1);
    return text;
}

// Waits until the pidfd is readable. Throws if interrupted.
bool wait_pidfd(int fd, std::chrono::milliseconds limit)
{
    const auto deadline = Clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd p{fd, POLLIN, 0};
        const int n = ::poll(&p, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000)));
        if (n != 0 && !(n < 0 && errno == EINTR)) {
            return n > 0;
        }
        if (n == 0) {
            return false;
        }
        check_interrupt();
    }
}

int reap(pid_t child)
{
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

ProgramResult run_program(const std::vector<std::string>& argv, std::chrono::milliseconds limit)
{
    // A file in memory, not a pipe: a daemon that keeps its stderr open must not keep us waiting.
    const UniqueFd output(::memfd_create("output", MFD_CLOEXEC));
    if (!output) {
        throw errno_failure("cannot run " + argv[0]);
    }
    const pid_t child = ::fork();
    if (child < 0) {
        throw errno_failure("cannot run " + argv[0]);
    }
    if (child == 0) {
        execute(argv, output.get());
    }
    const UniqueFd pidfd(open_pid(child));
    bool ended = false;
    try {
        ended = pidfd && wait_pidfd(pidfd.get(), limit);
    } catch (...) {
        ::kill(child, SIGTERM);
        reap(child);
        throw;
    }
    if (!ended) {
        ::kill(child, SIGKILL);
        reap(child);
        throw Failure(Exit::failed, join(argv, " ") + ": did not end in " +
                                        std::to_string(limit.count() / 1000) + " s, and was killed");
    }
    ProgramResult result{reap(child), read_all(output.get())};
    if (result.status == 127 && result.output.empty()) {
        result.output = argv[0] + ": cannot be executed";
    }
    return result;
}

std::string find_in_path(const std::string& program)
{
    const char* path = std::getenv("PATH");
    for (const std::string& directory : split(path != nullptr ? path : "/bin:/usr/bin", ':')) { // as execvp()
        const std::filesystem::path place = std::filesystem::path(directory) / program;
        std::error_code error;
        if (std::filesystem::is_regular_file(place, error) && ::access(place.c_str(), X_OK) == 0) {
            return place.string();
        }
    }
    return {};
}

std::string find_daemon()
{
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
    const std::array<fs::path, 5> places{self / "ddsnapd", self.parent_path() / "ddsnapd" / "ddsnapd",
                                         self.parent_path() / "libexec" / "zumastor" / "ddsnapd",
                                         self.parent_path() / "sbin" / "ddsnapd", "/usr/sbin/ddsnapd"};
    for (const fs::path& place : places) {
        if (fs::is_regular_file(place, error) && ::access(place.c_str(), X_OK) == 0) {
            return place.string();
        }
    }
    if (std::string place = find_in_path("ddsnapd"); !place.empty()) {
        return place;
    }
    throw Failure(Exit::missing, "the daemon's program ddsnapd cannot be found",
                  "install it beside this program, in /usr/sbin, or in PATH");
}

bool wait_for_exit(int pid, std::chrono::milliseconds limit)
{
    const UniqueFd pidfd(open_pid(pid));
    if (!pidfd) {
        return errno == ESRCH;
    }
    return wait_pidfd(pidfd.get(), limit);
}

void confirm(const std::string& question, bool yes)
{
    about_to_ask(); // also if the answer is known: it is not everywhere
    if (yes) {
        return;
    }
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
        throw Failure(Exit::usage, question, "nothing was touched; give --yes if this is what you want");
    }
    std::cerr << question << "\nGo on? [y/N] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    check_interrupt();
    if (answer != "y" && answer != "Y" && answer != "yes") {
        throw Failure(Exit::failed, "not confirmed: nothing was touched");
    }
}

std::string need_text(const std::string& path)
{
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 4096> block{};
    ssize_t n = file ? 1 : -1;
    while (n > 0 || (n < 0 && file && errno == EINTR)) {
        n = ::read(file.get(), block.data(), block.size());
        text.append(block.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    }
    if (n < 0) {
        throw errno_failure(path + " cannot be read");
    }
    return text;
}

std::string read_text(const std::string& path)
{
    try {
        return need_text(path);
    } catch (const Failure&) {
        return {};
    }
}

namespace {

bool write_all(int fd, const std::string& text)
{
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return true;
}

} // namespace

void write_text(const std::string& path, const std::string& text, unsigned mode)
{
    const std::string temporary = path + ".new";
    UniqueFd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!file) {
        throw errno_failure("cannot write " + temporary);
    }
    if (::fchmod(file.get(), mode) != 0 || !write_all(file.get(), text) || ::fsync(file.get()) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        errno = error;
        throw errno_failure("cannot write " + path);
    }
    const UniqueFd directory(
        ::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::fsync(directory.get()) != 0) {
        throw errno_failure("cannot flush the directory of " + path);
    }
}

} // namespace zumastor
