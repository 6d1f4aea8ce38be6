// SPDX-License-Identifier: GPL-2.0
// Memory fit for device I/O: aligned to the block size, zeroed and thereby present (no page is faulted in
// later, on the I/O path).
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "snapstore/types.h"

namespace snapstore {

class AlignedBuffer {
public:
    AlignedBuffer() = default;
    AlignedBuffer(AlignedBuffer&& o) noexcept : data_(std::move(o.data_)), size_(std::exchange(o.size_, 0)) {}
    AlignedBuffer& operator=(AlignedBuffer&& o) noexcept
    {
        data_ = std::move(o.data_);
        size_ = std::exchange(o.size_, 0);
        return *this;
    }
    explicit AlignedBuffer(std::size_t bytes) : size_(round_up(bytes))
    {
        auto* memory = static_cast<std::byte*>(std::aligned_alloc(kBlockSize.value, size_));
        if (memory == nullptr) {
            throw std::bad_alloc();
        }
        data_.reset(memory);
        std::memset(memory, 0, size_);
    }

    std::byte* data() const noexcept { return data_.get(); }
    std::size_t size() const noexcept { return size_; }
    std::span<std::byte> span() const noexcept { return {data_.get(), size_}; }
    std::span<std::byte> span(std::size_t offset, std::size_t length) const noexcept
    {
        return {data_.get() + offset, length};
    }
    std::span<std::byte> block(std::size_t index) const noexcept { return blocks(index, 1); }
    std::span<std::byte> blocks(std::size_t first, std::size_t count) const noexcept
    {
        return span(first * kBlockSize.value, count * kBlockSize.value);
    }

private:
    static std::size_t round_up(std::size_t bytes) noexcept
    {
        const std::size_t unit = kBlockSize.value;
        return bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
    }
    struct Free {
        void operator()(std::byte* p) const noexcept { std::free(p); } // NOLINT: from aligned_alloc
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_ = 0;
};

} // namespace snapstore
