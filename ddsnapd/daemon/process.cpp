// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/process.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace ddsnap::daemon {
namespace {

constexpr std::size_t kStackReserve = std::size_t{512} << 10;
constexpr std::size_t kHeapReserve = std::size_t{8} << 20;

// Reads the child's report to its end: one byte 0 = ready; else the message. Ends the process.
[[noreturn]] void await_child(int fd, pid_t child)
{
    std::string report;
    char buffer[512];
    for (;;) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n > 0) {
            report.append(buffer, static_cast<std::size_t>(n));
        } else if (n == 0 || errno != EINTR) {
            break;
        }
    }
    if (report == std::string(1, '\0')) {
        std::_Exit(EXIT_SUCCESS);
    }
    // Its locks end with it: whoever is told that it failed may use the disks at once.
    int status = 0;
    (void)::waitpid(child, &status, 0);
    if (report.empty()) {
        report = "the daemon ended before it was ready";
    }
    (void)std::fprintf(stderr, "ddsnapd: %s\n", report.c_str());
    std::_Exit(EXIT_FAILURE);
}

void touch_stack()
{
    volatile char stack[kStackReserve];
    for (std::size_t i = 0; i < sizeof stack; i += 4096) {
        stack[i] = 0;
    }
    (void)stack[0];
}

void touch_heap()
{
    auto* heap = static_cast<volatile char*>(std::malloc(kHeapReserve));
    for (std::size_t i = 0; heap != nullptr && i < kHeapReserve; i += 4096) {
        heap[i] = 0;
    }
    std::free(const_cast<char*>(heap));
}

void warn(ServiceLog& log, const char* what)
{
    log.log(Severity::warning, fmt::format("{}: {}; the daemon runs without it", what, std::strerror(errno)));
}

} // namespace

tl::expected<Detached, std::string> Detached::detach()
{
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) {
        return tl::unexpected<std::string>(fmt::format("pipe: {}", std::strerror(errno)));
    }
    const pid_t child = ::fork();
    if (child < 0) {
        return tl::unexpected<std::string>(fmt::format("fork: {}", std::strerror(errno)));
    }
    if (child > 0) {
        ::close(fds[1]);
        await_child(fds[0], child);
    }
    ::close(fds[0]);
    Detached detached(fds[1]);
    ::setsid();
    if (::chdir("/") != 0) {
        return tl::unexpected<std::string>(fmt::format("chdir: {}", std::strerror(errno)));
    }
    return detached;
}

void Detached::ready()
{
    if (!pipe_) {
        return;
    }
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = 0; null && fd <= 2; ++fd) {
        ::dup2(null.get(), fd);
    }
    (void)!::write(pipe_.get(), "", 1);
    pipe_.reset();
}

void Detached::failed(const std::string& message)
{
    if (!pipe_) {
        (void)std::fprintf(stderr, "ddsnapd: %s\n", message.c_str());
        return;
    }
    (void)!::write(pipe_.get(), message.data(), message.size());
    pipe_.reset();
}

void protect_process(ServiceLog& log)
{
    (void)::mallopt(M_TRIM_THRESHOLD, INT_MAX); // freed memory stays ours
    (void)::mallopt(M_TOP_PAD, 1 << 20);
    (void)::mallopt(M_MMAP_MAX, 0); // and all of it in the heap
    if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        warn(log, "cannot lock the daemon's memory");
    }
    touch_stack();
    touch_heap();
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) {
        warn(log, "PR_SET_IO_FLUSHER");
    }
    std::ofstream oom("/proc/self/oom_score_adj");
    if (!(oom << "-1000" << std::flush)) {
        warn(log, "cannot protect the daemon from the OOM killer");
    }
}

tl::expected<void, std::string> use_memory_reserves()
{
    constexpr const char* path = "/sys/module/dm_ddsnap/parameters/use_reserves";
    const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), "1", 1) != 1) {
        return tl::unexpected<std::string>(fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return {};
}

tl::expected<void, std::string> write_pid_file(const std::string& path)
{
    constexpr mode_t kMode = 0644; // whatever the umask: who may write to it has root send signals
    const std::string text = fmt::format("{}\n", ::getpid());
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
    if (!file || ::fchmod(file.get(), kMode) != 0 ||
        ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return tl::unexpected<std::string>(fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
    }
    return {};
}

} // namespace ddsnap::daemon
