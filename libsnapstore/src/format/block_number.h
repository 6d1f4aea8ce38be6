// SPDX-License-Identifier: GPL-2.0
// Strong types for what lies in a row and is known by its number: blocks of a device, and the blocks of the
// journal in the order in which they are written.
//
// A number says which one; how many is a plain integer. So a number and a count make a number, two numbers
// make a count, and two numbers cannot be added. No integer becomes a number unless it is said: a count, a
// chunk, a byte offset and a number of another kind are not taken for one. (NumberTest)
#pragma once

#include <compare>
#include <cstdint>

#include "snapstore/types.h"

namespace snapstore {

template <class Tag>
struct Ordinal {
    std::uint64_t value = 0;

    constexpr Ordinal() = default;
    constexpr explicit Ordinal(std::uint64_t number) : value(number) {}

    constexpr auto operator<=>(const Ordinal&) const = default; // NOLINT(modernize-use-nullptr)
    constexpr Ordinal& operator+=(std::uint64_t count)
    {
        value += count;
        return *this;
    }
    constexpr Ordinal& operator++()
    {
        ++value;
        return *this;
    }
    friend constexpr Ordinal operator+(Ordinal from, std::uint64_t count) { return from += count; }
    friend constexpr Ordinal operator-(Ordinal from, std::uint64_t count)
    {
        return Ordinal{from.value - count};
    }
    friend constexpr std::uint64_t operator-(Ordinal end, Ordinal first) { return end.value - first.value; }
};

using Block = Ordinal<struct BlockTag>; // of 4096 bytes, of the metadata or the store device, from 0
using OriginBlock = Ordinal<struct OriginBlockTag>; // the same of the origin
// Of a block of the journal, from 1; 0 = none. It only grows, and never wraps: what wraps is the ring, where
// the block's place follows from it (journal_block_of()).
using Sequence = Ordinal<struct SequenceTag>;

// No block, where one may be named: tree and tables are never in a device's first one.
inline constexpr Block kNoBlock{0};

constexpr Bytes block_offset(Block block) { return Bytes{block.value * kBlockSize.value}; }
constexpr Bytes block_offset(OriginBlock block) { return Bytes{block.value * kBlockSize.value}; }

// A run of blocks of a device.
struct Area {
    Block first;
    std::uint64_t count = 0;

    constexpr Block end() const noexcept { return first + count; }
    constexpr bool contains(Block block) const noexcept { return block >= first && block - first < count; }
    constexpr bool operator==(const Area&) const = default;
};

} // namespace snapstore
