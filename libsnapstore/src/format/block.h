// SPDX-License-Identifier: GPL-2.0
// What all metadata blocks have in common: magic, checksum, own address, the volume they belong to.
#pragma once

#include <cstring>
#include <span>

#include "format/disk_format.h"
#include "snapstore/error.h"

namespace snapstore {

std::uint64_t uuid_prefix(const Uuid& uuid) noexcept;

// Fills in the header of `block` and its checksum, last.
void seal_block(std::span<std::byte> block, std::uint32_t magic, Block number, std::uint64_t uuid,
                std::uint64_t generation) noexcept;

// corrupt, with the block's byte offset, unless magic, checksum, own address and volume are right.
Result<void> verify_block(std::span<const std::byte> block, std::uint32_t magic, Block number,
                          std::uint64_t uuid) noexcept;

bool is_all_zero(std::span<const std::byte> data) noexcept;

// Copies a disk structure out of a block, or into it.
template <class T>
T load_disk(std::span<const std::byte> bytes, std::size_t offset = 0) noexcept
{
    T value;
    std::memcpy(static_cast<void*>(&value), bytes.data() + offset, sizeof value);
    return value;
}
template <class T>
void store_disk(std::span<std::byte> bytes, const T& value, std::size_t offset = 0) noexcept
{
    std::memcpy(bytes.data() + offset, static_cast<const void*>(&value), sizeof value);
}

} // namespace snapstore
