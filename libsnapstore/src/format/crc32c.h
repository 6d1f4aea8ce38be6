// SPDX-License-Identifier: GPL-2.0
// CRC-32C (Castagnoli, RFC 3720), by the processor's instruction where it has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace snapstore {

// The checksum of `data`; `previous` continues an earlier one.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t previous = 0) noexcept;

// The table-driven form, for processors without the instruction and for the test that compares both.
std::uint32_t crc32c_software(std::span<const std::byte> data, std::uint32_t previous = 0) noexcept;

} // namespace snapstore
