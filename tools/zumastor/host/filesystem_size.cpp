// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/filesystem_size.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"

namespace zumastor {
namespace {

using Head = std::array<std::byte, 4096>; // of the device

template <class T>
T raw(const Head& head, std::size_t offset)
{
    T value{};
    std::memcpy(&value, &head[offset], sizeof(value));
    return value;
}

// The fields of both superblocks as their kernel documentation has them.
std::optional<std::uint64_t> ext_bytes(const Head& head)
{
    constexpr std::size_t kSuperblock = 1024;
    constexpr std::uint16_t kMagic = 0xef53;
    constexpr std::uint32_t k64Bit = 0x80; // of the incompatible features
    const auto le32_at = [&](std::size_t offset) {
        return le32toh(raw<std::uint32_t>(head, kSuperblock + offset));
    };
    if (le16toh(raw<std::uint16_t>(head, kSuperblock + 0x38)) != kMagic || le32_at(0x18) > 6) {
        return std::nullopt;
    }
    std::uint64_t blocks = le32_at(0x4);
    if ((le32_at(0x60) & k64Bit) != 0) {
        blocks |= std::uint64_t{le32_at(0x150)} << 32;
    }
    return blocks << (10 + le32_at(0x18));
}

std::optional<std::uint64_t> xfs_bytes(const Head& head)
{
    constexpr std::uint32_t kMagic = 0x58465342; // "XFSB"
    if (be32toh(raw<std::uint32_t>(head, 0)) != kMagic) {
        return std::nullopt;
    }
    return be64toh(raw<std::uint64_t>(head, 8)) * be32toh(raw<std::uint32_t>(head, 4));
}

} // namespace

std::optional<std::uint64_t> filesystem_bytes(const std::string& device)
{
    const ddsnap::UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    Head head{};
    if (!fd || ::pread(fd.get(), head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) {
        throw errno_failure(device + ": cannot be read");
    }
    const auto ext = ext_bytes(head);
    return ext ? ext : xfs_bytes(head);
}

} // namespace zumastor
