// SPDX-License-Identifier: GPL-2.0
// Little-endian integers as they lie on disk: alignment 1, so that structures of them have no padding.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace snapstore {

template <std::unsigned_integral T>
class Le {
public:
    constexpr Le() noexcept = default;
    constexpr Le(T value) noexcept : raw_(encode(value)) {}        // NOLINT: values convert freely
    constexpr operator T() const noexcept { return decode(raw_); } // NOLINT: values convert freely
    constexpr T get() const noexcept { return decode(raw_); }

private:
    using Raw = std::array<std::byte, sizeof(T)>;

    static constexpr Raw encode(T value) noexcept
    {
        if constexpr (std::endian::native == std::endian::little) {
            return std::bit_cast<Raw>(value);
        } else {
            Raw raw{};
            for (std::size_t i = 0; i < sizeof(T); ++i) {
                raw[i] = static_cast<std::byte>(value >> (8 * i));
            }
            return raw;
        }
    }
    static constexpr T decode(const Raw& raw) noexcept
    {
        if constexpr (std::endian::native == std::endian::little) {
            return std::bit_cast<T>(raw);
        } else {
            T value = 0;
            for (std::size_t i = 0; i < sizeof(T); ++i) {
                value |= static_cast<T>(static_cast<T>(raw[i]) << (8 * i));
            }
            return value;
        }
    }

    Raw raw_{};
};

using le16 = Le<std::uint16_t>;
using le32 = Le<std::uint32_t>;
using le64 = Le<std::uint64_t>;

} // namespace snapstore
