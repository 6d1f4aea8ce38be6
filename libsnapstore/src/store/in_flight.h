// SPDX-License-Identifier: GPL-2.0
// The chunks being copied out: from the claim until the record is applied. A fixed hash set.
#pragma once

#include <bit>
#include <vector>

#include "memory/assertion.h"
#include "snapstore/types.h"

namespace snapstore {

class InFlight {
public:
    InFlight() = default;
    explicit InFlight(std::size_t limit) : slots_(std::bit_ceil(2 * limit), kEmpty), limit_(limit) {}

    std::size_t size() const noexcept { return size_; }
    std::size_t room() const noexcept { return limit_ - size_; }

    bool contains(std::uint64_t key) const noexcept { return slots_[find(key)] == key; }
    void insert(std::uint64_t key) noexcept
    {
        const std::size_t at = find(key);
        SNAPSTORE_ASSERT(size_ < limit_ && slots_[at] == kEmpty);
        slots_[at] = key;
        ++size_;
    }
    void erase(std::uint64_t key) noexcept
    {
        std::size_t hole = find(key);
        SNAPSTORE_ASSERT(slots_[hole] == key);
        --size_;
        // Move back what would not be found any more across the hole.
        for (std::size_t i = next(hole); slots_[i] != kEmpty; i = next(i)) {
            const std::size_t wanted = home(slots_[i]);
            const bool between = hole < i ? (wanted > hole && wanted <= i) : (wanted > hole || wanted <= i);
            if (!between) {
                slots_[hole] = slots_[i];
                hole = i;
            }
        }
        slots_[hole] = kEmpty;
    }

private:
    static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};

    std::size_t next(std::size_t i) const noexcept { return (i + 1) & (slots_.size() - 1); }
    std::size_t home(std::uint64_t key) const noexcept
    {
        return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15ULL) >> 32) & (slots_.size() - 1);
    }
    std::size_t find(std::uint64_t key) const noexcept
    {
        std::size_t i = home(key);
        while (slots_[i] != kEmpty && slots_[i] != key) {
            i = next(i);
        }
        return i;
    }

    std::vector<std::uint64_t> slots_;
    std::size_t limit_ = 0;
    std::size_t size_ = 0;
};

} // namespace snapstore
