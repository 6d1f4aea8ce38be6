// SPDX-License-Identifier: GPL-2.0
#include "format/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace snapstore {

namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78; // reflected

constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables()
{
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
        }
        tables[0][i] = crc;
    }
    for (std::size_t slice = 1; slice < 8; ++slice) {
        for (std::size_t i = 0; i < 256; ++i) {
            const std::uint32_t before = tables[slice - 1][i];
            tables[slice][i] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
    return tables;
}

constexpr auto kTables = make_tables();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::span<const std::byte> data,
                                                             std::uint32_t previous) noexcept
{
    std::uint64_t crc = ~previous;
    const std::byte* p = data.data();
    std::size_t left = data.size();
    for (; left >= 8; left -= 8, p += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, sizeof word);
        crc = _mm_crc32_u64(crc, word);
    }
    auto crc32 = static_cast<std::uint32_t>(crc);
    for (; left > 0; --left, ++p) {
        crc32 = _mm_crc32_u8(crc32, static_cast<unsigned char>(*p));
    }
    return ~crc32;
}
#endif

} // namespace

std::uint32_t crc32c_software(std::span<const std::byte> data, std::uint32_t previous) noexcept
{
    std::uint32_t crc = ~previous;
    const std::byte* p = data.data();
    std::size_t left = data.size();
    const auto byte = [&p](std::size_t i) { return static_cast<std::uint32_t>(p[i]); };
    for (; left >= 8; left -= 8, p += 8) {
        crc ^= byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
        crc = kTables[7][crc & 0xff] ^ kTables[6][(crc >> 8) & 0xff] ^ kTables[5][(crc >> 16) & 0xff] ^
              kTables[4][crc >> 24] ^ kTables[3][byte(4)] ^ kTables[2][byte(5)] ^ kTables[1][byte(6)] ^
              kTables[0][byte(7)];
    }
    for (; left > 0; --left, ++p) {
        crc = (crc >> 8) ^ kTables[0][(crc ^ byte(0)) & 0xff];
    }
    return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t previous) noexcept
{
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) {
        return crc32c_sse42(data, previous);
    }
#endif
    return crc32c_software(data, previous);
}

} // namespace snapstore
