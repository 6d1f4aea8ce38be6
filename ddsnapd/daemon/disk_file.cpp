// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/disk_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "ddsnapd/disk/disk_lock.h"

namespace ddsnap::daemon {
namespace {

std::string with_reason(const std::string& path, const char* what)
{
    return fmt::format("{}: {}: {}", path, what, std::strerror(errno));
}

tl::unexpected<StartFailure> failed(const std::string& path, const char* what)
{
    const bool for_now = errno == EBUSY || is_shortage(errno);
    return tl::unexpected(StartFailure{with_reason(path, what), for_now});
}

// Calls `attempt` until it succeeds, errno says that it is not `busy`, or the time is over.
template <class Attempt, class Busy>
bool try_for(std::chrono::milliseconds patience, Attempt&& attempt, Busy&& busy)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!attempt()) {
        const int error = errno;
        if (!busy(error) || std::chrono::steady_clock::now() >= deadline) {
            errno = error;
            return false;
        }
        ::poll(nullptr, 0, 100); // until the next try
    }
    return true;
}

} // namespace

tl::expected<DiskFile, StartFailure> open_disk(const std::string& path, Exclusive exclusive,
                                               std::chrono::milliseconds patience)
{
    DiskFile disk;
    disk.path = path;
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
        return failed(path, "cannot open");
    }
    disk.block_device = S_ISBLK(st.st_mode);
    if (!disk.block_device && !S_ISREG(st.st_mode)) {
        return tl::unexpected(StartFailure{path + ": is neither a block device nor a file"});
    }
    const int flags = O_RDWR | O_CLOEXEC | (disk.block_device && exclusive == Exclusive::alone ? O_EXCL : 0);
    const auto attempt = [&] {
        disk.fd.reset(::open(path.c_str(), flags | O_DIRECT));
        if (!disk.fd && errno == EINVAL) {
            disk.direct = false;
            disk.fd.reset(::open(path.c_str(), flags));
        }
        return static_cast<bool>(disk.fd);
    };
    if (!try_for(patience, attempt, [](int error) { return error == EBUSY; })) {
        return failed(path, "cannot open");
    }
    disk.device = disk.block_device ? st.st_rdev : 0;
    const auto size = measure_disk(disk);
    if (!size) {
        return tl::unexpected(StartFailure{size.error()});
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
        return tl::unexpected(with_reason(disk.path, "cannot read its size"));
    }
    bytes = disk.block_device ? bytes : static_cast<std::uint64_t>(st.st_size);
    return to_bytes(snapstore::to_sectors_floor(snapstore::Bytes{bytes}));
}

tl::expected<void, StartFailure> lock_disk(const DiskFile& disk, std::chrono::milliseconds patience)
{
    const auto held = [](int error) { return error == EAGAIN || error == EACCES || error == EINTR; };
    if (try_for(
            patience, [&] { return try_lock_disk(disk.fd.get()); }, held)) {
        return {};
    }
    if (!held(errno)) {
        return failed(disk.path, "cannot lock");
    }
    const std::string holder = disk_lock_holder(disk.fd.get());
    return tl::unexpected(StartFailure{
        fmt::format("{}: in use by {}: a store has one daemon", disk.path,
                    holder.empty() ? "another process, or the last I/O of one that ended" : holder),
        true});
}

} // namespace ddsnap::daemon
