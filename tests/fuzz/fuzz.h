// SPDX-License-Identifier: GPL-2.0
// What the fuzz targets have in common. A target is one function, LLVMFuzzerTestOneInput; libFuzzer or
// replay.cpp calls it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace zumastor::fuzz {

// Says what is wrong and ends the process as a crash would.
[[noreturn]] void finding(const char* what);

// Takes values off the front of the fuzzer's bytes; zeros when they are used up.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

    bool empty() const noexcept { return rest_.empty(); }
    unsigned byte() noexcept { return static_cast<unsigned>(take_number(1)); }
    unsigned word() noexcept { return static_cast<unsigned>(take_number(2)); }
    std::span<const std::byte> bytes(std::size_t most) noexcept
    {
        const auto taken = rest_.first(std::min(most, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    std::span<const std::byte> rest() noexcept { return bytes(rest_.size()); }

private:
    std::uint64_t take_number(std::size_t size) noexcept
    {
        std::uint64_t value = 0;
        unsigned shift = 0;
        for (const std::byte b : bytes(size)) {
            value |= static_cast<std::uint64_t>(b) << shift;
            shift += 8;
        }
        return value;
    }
    std::span<const std::byte> rest_;
};

// The other direction: inputs made by hand.
class Output {
public:
    Output& byte(unsigned value)
    {
        bytes_.push_back(static_cast<std::byte>(value));
        return *this;
    }
    Output& word(unsigned value) { return byte(value & 0xff).byte(value >> 8 & 0xff); }
    Output& bytes(std::span<const std::byte> data)
    {
        bytes_.insert(bytes_.end(), data.begin(), data.end());
        return *this;
    }
    const std::vector<std::byte>& get() const noexcept { return bytes_; }

private:
    std::vector<std::byte> bytes_;
};

} // namespace zumastor::fuzz
