// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/disk/raw_disk.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace ddsnap {
namespace {

constexpr std::size_t kAlignment = 4096;

struct Freer {
    void operator()(void* memory) const noexcept { std::free(memory); }
};
using Bounce = std::unique_ptr<std::byte, Freer>;

Bounce bounce_for(std::size_t size)
{
    void* memory = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return Bounce(static_cast<std::byte*>(memory));
}

bool read_all(int fd, std::uint64_t offset, std::span<std::byte> data)
{
    while (!data.empty()) {
        const ssize_t n = ::pread(fd, data.data(), data.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data = data.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return true;
}

bool write_all(int fd, std::uint64_t offset, std::span<const std::byte> data)
{
    while (!data.empty()) {
        const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data = data.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return true;
}

} // namespace

bool is_aligned(const void* memory) noexcept
{
    return reinterpret_cast<std::uintptr_t>(memory) % kAlignment == 0;
}

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
    if (is_aligned(data.data())) {
        return read_all(fd_.get(), offset, data);
    }
    const Bounce bounce = bounce_for(data.size());
    if (!read_all(fd_.get(), offset, {bounce.get(), data.size()})) {
        return false;
    }
    std::memcpy(data.data(), bounce.get(), data.size());
    return true;
}

bool RawDisk::write(std::uint64_t offset, std::span<const std::byte> data) const
{
    if (is_aligned(data.data())) {
        return write_all(fd_.get(), offset, data);
    }
    const Bounce bounce = bounce_for(data.size());
    std::memcpy(bounce.get(), data.data(), data.size());
    return write_all(fd_.get(), offset, {bounce.get(), data.size()});
}

bool RawDisk::flush() const { return ::fdatasync(fd_.get()) == 0; }

} // namespace ddsnap
