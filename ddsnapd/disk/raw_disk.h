// SPDX-License-Identifier: GPL-2.0
// A device or file, read and written with O_DIRECT where possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/disk/unique_fd.h"

namespace ddsnap {

// Whether a buffer is used as it is: more than any device asks for.
bool is_aligned(const void* memory) noexcept;

class RawDisk {
public:
    static tl::expected<RawDisk, std::string> open(const std::string& path, bool read_only = false);

    std::uint64_t size() const noexcept { return size_; }
    // Offset and length are multiples of 512. All of it, or false. A buffer aligned to 4096 is used as it is,
    // another one is copied.
    bool read(std::uint64_t offset, std::span<std::byte> data) const;
    bool write(std::uint64_t offset, std::span<const std::byte> data) const;
    bool flush() const;
    int fd() const noexcept { return fd_.get(); }

private:
    UniqueFd fd_;
    std::uint64_t size_ = 0;
};

} // namespace ddsnap
