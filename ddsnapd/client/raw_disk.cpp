// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/raw_disk.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace ddsnap::client {
namespace {

struct Freer {
    void operator()(void* memory) const noexcept { std::free(memory); }
};
using Bounce = std::unique_ptr<std::byte, Freer>;

Bounce bounce_for(std::size_t size)
{
    void* memory = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return Bounce(static_cast<std::byte*>(memory));
}

} // namespace

tl::expected<RawDisk, std::string> RawDisk::open(const std::string& path, bool read_only)
{
    RawDisk disk;
    const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    disk.fd_.reset(::open(path.c_str(), flags | O_DIRECT));
    if (!disk.fd_ && errno == EINVAL) {
        disk.fd_.reset(::open(path.c_str(), flags));
    }
    const off_t end = disk.fd_ ? ::lseek(disk.fd_.get(), 0, SEEK_END) : -1;
    if (end < 0) {
        return tl::unexpected(path + ": " + std::strerror(errno));
    }
    disk.size_ = static_cast<std::uint64_t>(end);
    return disk;
}

bool RawDisk::read(std::uint64_t offset, std::span<std::byte> data) const
{
    const Bounce bounce = bounce_for(data.size());
    for (std::size_t done = 0; done < data.size();) {
        const ssize_t n =
            ::pread(fd_.get(), bounce.get() + done, data.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    std::memcpy(data.data(), bounce.get(), data.size());
    return true;
}

bool RawDisk::write(std::uint64_t offset, std::span<const std::byte> data) const
{
    const Bounce bounce = bounce_for(data.size());
    std::memcpy(bounce.get(), data.data(), data.size());
    for (std::size_t done = 0; done < data.size();) {
        const ssize_t n =
            ::pwrite(fd_.get(), bounce.get() + done, data.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    return true;
}

bool RawDisk::flush() const { return ::fdatasync(fd_.get()) == 0; }

} // namespace ddsnap::client
