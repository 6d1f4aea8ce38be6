// SPDX-License-Identifier: GPL-2.0
#include "format/block.h"

#include <cstddef>

#include "format/crc32c.h"

namespace snapstore {

namespace {

constexpr std::size_t kCrcOffset = offsetof(block_header_disk, crc);

std::uint32_t block_crc(std::span<const std::byte> block) noexcept
{
    constexpr std::array<std::byte, sizeof(le32)> zero{};
    std::uint32_t crc = crc32c(block.first(kCrcOffset));
    crc = crc32c(zero, crc);
    return crc32c(block.subspan(kCrcOffset + zero.size()), crc);
}

} // namespace

std::uint64_t uuid_prefix(const Uuid& uuid) noexcept { return load_disk<le64>(uuid); }

void seal_block(std::span<std::byte> block, std::uint32_t magic, Block number, std::uint64_t uuid,
                std::uint64_t generation) noexcept
{
    block_header_disk header;
    header.magic = magic;
    header.block = number.value;
    header.uuid = uuid;
    header.generation = generation;
    store_disk(block, header);
    const le32 crc = block_crc(block);
    store_disk(block, crc, kCrcOffset);
}

Result<void> verify_block(std::span<const std::byte> block, std::uint32_t magic, Block number,
                          std::uint64_t uuid) noexcept
{
    const auto header = load_disk<block_header_disk>(block);
    const Bytes where = block_offset(number);
    if (header.magic != magic) {
        return fail(Errc::corrupt, "wrong magic", where);
    }
    if (header.crc != block_crc(block)) {
        return fail(Errc::corrupt, "wrong checksum", where);
    }
    if (header.block != number.value) {
        return fail(Errc::corrupt, "block of another place", where);
    }
    if (header.uuid != uuid) {
        return fail(Errc::corrupt, "block of another volume", where);
    }
    return {};
}

bool is_all_zero(std::span<const std::byte> data) noexcept
{
    constexpr std::size_t kHead = 16;
    for (std::size_t i = 0; i < data.size() && i < kHead; ++i) {
        if (data[i] != std::byte{0}) {
            return false;
        }
    }
    return data.size() <= kHead || std::memcmp(data.data(), data.data() + kHead, data.size() - kHead) == 0;
}

} // namespace snapstore
