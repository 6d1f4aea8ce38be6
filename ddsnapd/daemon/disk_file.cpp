// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/disk_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

namespace ddsnap::daemon {
namespace {

tl::unexpected<std::string> failed(const std::string& path, const char* what)
{
    return tl::unexpected<std::string>(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

// "process 123 (name)" of the holder of the lock, from /proc/locks; empty if it is not to be found.
std::string holder_of(const DiskFile& disk)
{
    struct stat st {};
    if (::fstat(disk.fd.get(), &st) != 0) {
        return {};
    }
    const std::string place = fmt::format("{:02x}:{:02x}:{}", major(st.st_dev), minor(st.st_dev), st.st_ino);
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        char kind[16];
        char how[16];
        char mode[16];
        char where[64];
        long pid = 0;
        if (std::sscanf(line.c_str(), "%*s %15s %15s %15s %ld %63s", kind, how, mode, &pid, where) == 5 &&
            place == where && std::strcmp(kind, "FLOCK") == 0) {
            std::ifstream comm(fmt::format("/proc/{}/comm", pid));
            std::string name;
            std::getline(comm, name);
            return fmt::format("process {} ({})", pid, name.empty() ? "gone; its last I/O is ending" : name);
        }
    }
    return {};
}

} // namespace

tl::expected<DiskFile, std::string> open_disk(const std::string& path, Exclusive exclusive)
{
    DiskFile disk;
    disk.path = path;
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
        return failed(path, "cannot open");
    }
    disk.block_device = S_ISBLK(st.st_mode);
    if (!disk.block_device && !S_ISREG(st.st_mode)) {
        return tl::unexpected<std::string>(path + ": is neither a block device nor a file");
    }
    const int flags = O_RDWR | O_CLOEXEC | (disk.block_device && exclusive == Exclusive::alone ? O_EXCL : 0);
    disk.fd.reset(::open(path.c_str(), flags | O_DIRECT));
    if (!disk.fd && errno == EINVAL) {
        disk.direct = false;
        disk.fd.reset(::open(path.c_str(), flags));
    }
    if (!disk.fd) {
        return failed(path, "cannot open");
    }
    disk.device = disk.block_device ? st.st_rdev : 0;
    const auto size = measure_disk(disk);
    if (!size) {
        return tl::unexpected(size.error());
    }
    disk.size = *size;
    return disk;
}

tl::expected<snapstore::Bytes, std::string> measure_disk(const DiskFile& disk)
{
    struct stat st {};
    std::uint64_t bytes = 0;
    if (disk.block_device ? ::ioctl(disk.fd.get(), BLKGETSIZE64, &bytes) != 0
                          : ::fstat(disk.fd.get(), &st) != 0) {
        return failed(disk.path, "cannot read its size");
    }
    bytes = disk.block_device ? bytes : static_cast<std::uint64_t>(st.st_size);
    return to_bytes(snapstore::to_sectors_floor(snapstore::Bytes{bytes}));
}

tl::expected<void, std::string> lock_disk(const DiskFile& disk, std::chrono::milliseconds patience)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (::flock(disk.fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return failed(disk.path, "cannot lock");
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            const std::string holder = holder_of(disk);
            return tl::unexpected<std::string>(fmt::format("{}: in use by {}: a store has one daemon",
                                                           disk.path,
                                                           holder.empty() ? "another process" : holder));
        }
        ::poll(nullptr, 0, 100); // until the next try
    }
    return {};
}

} // namespace ddsnap::daemon
