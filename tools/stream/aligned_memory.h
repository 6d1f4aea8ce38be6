// SPDX-License-Identifier: GPL-2.0
// Memory that O_DIRECT accepts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace zumastor {

class AlignedMemory {
public:
    static constexpr std::size_t kAlignment = 4096;

    explicit AlignedMemory(std::size_t size) // a multiple of kAlignment
        : memory_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size))), size_(size)
    {
        if (!memory_) {
            throw std::bad_alloc();
        }
    }
    static bool is_aligned(const void* memory) noexcept
    {
        return reinterpret_cast<std::uintptr_t>(memory) % kAlignment == 0;
    }
    std::span<std::byte> bytes() const noexcept { return {memory_.get(), size_}; }

private:
    struct Free {
        void operator()(std::byte* memory) const noexcept { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t size_;
};

} // namespace zumastor
