// SPDX-License-Identifier: GPL-2.0
// How much of its device a filesystem uses, from its superblock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace zumastor {

// Bytes, for ext2, ext3, ext4 and XFS; empty for anything else. Throws if the device cannot be read.
std::optional<std::uint64_t> filesystem_bytes(const std::string& device);

} // namespace zumastor
