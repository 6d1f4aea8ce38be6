// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/disk/disk_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

namespace ddsnap {
namespace {

namespace fs = std::filesystem;

// proc(5): a lock's line in /proc/PID/fdinfo/FD is that of /proc/locks.
bool has_lock(const fs::path& fdinfo, const std::string& place)
{
    std::ifstream file(fdinfo);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("lock:") && line.find(" OFDLCK ") != std::string::npos &&
            line.find(" " + place + " ") != std::string::npos) {
            return true;
        }
    }
    return false;
}

bool process_has_lock(const fs::path& process, const std::string& place)
{
    std::error_code ignored; // a process may end, or be none of ours
    for (fs::directory_iterator info(process / "fdinfo", ignored), end; info != end;
         info.increment(ignored)) {
        if (has_lock(info->path(), place)) {
            return true;
        }
    }
    return false;
}

} // namespace

bool try_lock_disk(int fd)
{
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    return ::fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

std::string disk_lock_holder(int fd)
{
    struct stat st {};
    if (::fstat(fd, &st) != 0) {
        return {};
    }
    const std::string place = fmt::format("{:02x}:{:02x}:{}", major(st.st_dev), minor(st.st_dev), st.st_ino);
    std::error_code ignored;
    for (fs::directory_iterator process("/proc", ignored), end; process != end; process.increment(ignored)) {
        const std::string id = process->path().filename();
        const bool number =
            std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
        if (number && process_has_lock(process->path(), place)) {
            std::string name;
            std::ifstream comm(process->path() / "comm");
            std::getline(comm, name);
            return fmt::format("process {} ({})", id, name);
        }
    }
    return {};
}

} // namespace ddsnap
