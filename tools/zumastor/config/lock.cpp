// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/zumastor/config/names.h"

namespace zumastor {
namespace {

constexpr auto kPatience = std::chrono::seconds(120);
constexpr int kLockPollMs = 50; // there is no event for a lock that becomes free, only a wait without limit

std::string path_for(const std::string& volume, std::string purpose)
{
    std::replace(purpose.begin(), purpose.end(), '/', '_');
    return Paths(VolumeName::need(volume)).lock + "." + purpose;
}

// The kernel's list knows who locks what by device and inode: "1: FLOCK ADVISORY WRITE 1234 00:16:567 0 EOF".
bool is_locked(const std::string& path)
{
    const auto info = look_at(path).need();
    if (!info) {
        return false;
    }
    char wanted[64];
    (void)std::snprintf(wanted, sizeof wanted, "%02x:%02x:%llu", major(info->st_dev), minor(info->st_dev),
                        static_cast<unsigned long long>(info->st_ino));
    std::istringstream locks(need_text("/proc/locks"));
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words(line);
        std::string number;
        std::string type;
        std::string rest;
        std::string place;
        words >> number >> type >> rest >> rest >> rest >> place;
        if (type == "FLOCK" && place == wanted) {
            return true;
        }
    }
    return false;
}

} // namespace

VolumeLock::VolumeLock(const std::string& volume)
{
    take(volume, Paths(VolumeName::need(volume)).lock, kPatience);
    held_.emplace(LockKind::volume);
}

VolumeLock::VolumeLock(const std::string& volume, const std::string& purpose)
{
    take(volume, path_for(volume, purpose), std::chrono::seconds(0));
    held_.emplace(LockKind::stream);
}

Known<int> VolumeLock::ask_holder(const std::string& volume, const std::string& purpose)
{
    const std::string path = path_for(volume, purpose);
    const auto text = text_of(path);
    if (text.is_unknown()) {
        return Known<int>::unknown(text.why());
    }
    int pid = 0;
    const char* begin = text.is_there() ? text.value().c_str() : "";
    const auto [end, error] = std::from_chars(begin, begin + std::strlen(begin), pid);
    return error == std::errc{} && pid > 0 && is_locked(path) ? Known<int>::there(pid) : Known<int>::absent();
}

std::optional<int> VolumeLock::holder(const std::string& volume, const std::string& purpose)
{
    return ask_holder(volume, purpose).need();
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
                          "wait for that process, or see what it waits for");
        }
        check_interrupt();
        ::poll(nullptr, 0, kLockPollMs);
    }
    const std::string self = std::to_string(::getpid());
    if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), self.data(), self.size(), 0) < 0) {
        throw errno_failure("cannot write " + path);
    }
}

} // namespace zumastor
