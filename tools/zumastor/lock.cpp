// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/zumastor/names.h"

namespace zumastor {
namespace {

constexpr auto kPatience = std::chrono::seconds(120);
constexpr int kPollMs = 50; // there is no event for a lock that becomes free, only a wait without limit

} // namespace

VolumeLock::VolumeLock(const std::string& volume)
{
    const Paths paths(volume);
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(paths.lock).parent_path(), error);
    file_ = ddsnap::UniqueFd(::open(paths.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file_) {
        throw errno_failure("cannot lock volume " + volume + ": " + paths.lock);
    }
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            throw errno_failure("cannot lock volume " + volume);
        }
        if (std::chrono::steady_clock::now() > deadline) {
            throw Failure(Exit::busy,
                          "volume " + volume + ": another command is at work: process " +
                              read_text(paths.lock),
                          "wait for it, or see what it waits for");
        }
        check_interrupt();
        ::poll(nullptr, 0, kPollMs);
    }
    const std::string self = std::to_string(::getpid());
    if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), self.data(), self.size(), 0) < 0) {
        throw errno_failure("cannot write " + paths.lock);
    }
}

} // namespace zumastor
