// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
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

VolumeLock::VolumeLock(const std::string& volume) { take(volume, Paths(volume).lock, kPatience); }

VolumeLock::VolumeLock(const std::string& volume, const std::string& purpose)
{
    std::string path = Paths(volume).lock + "." + purpose;
    std::replace(path.begin() + static_cast<std::ptrdiff_t>(path.size() - purpose.size()), path.end(), '/',
                 '_');
    take(volume, path, std::chrono::seconds(0));
}

void VolumeLock::take(const std::string& volume, const std::string& path, std::chrono::seconds patience)
{
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    file_ = ddsnap::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file_) {
        throw errno_failure("cannot lock volume " + volume + ": " + path);
    }
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            throw errno_failure("cannot lock volume " + volume);
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            throw Failure(Exit::busy,
                          "volume " + volume + ": another command is at work: process " + read_text(path),
                          "wait for it, or see what it waits for");
        }
        check_interrupt();
        ::poll(nullptr, 0, kPollMs);
    }
    const std::string self = std::to_string(::getpid());
    if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), self.data(), self.size(), 0) < 0) {
        throw errno_failure("cannot write " + path);
    }
}

} // namespace zumastor
