// SPDX-License-Identifier: GPL-2.0
#include "sim/stamp.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

namespace sim {
namespace {

using Pair = std::array<std::uint64_t, 2>; // stamp, sector number
constexpr std::size_t kPairs = kSector / sizeof(Pair);

Pair pair_at(std::span<const std::byte> bytes, std::size_t index)
{
    Pair pair{};
    std::memcpy(pair.data(), &bytes[index * sizeof(Pair)], sizeof(Pair));
    return pair;
}

bool uniform(std::span<const std::byte> bytes)
{
    return std::memcmp(bytes.data(), bytes.data() + sizeof(Pair), kSector - sizeof(Pair)) == 0;
}

} // namespace

void encode_sector(std::span<std::byte> bytes, Stamp stamp, std::uint64_t sector)
{
    const Pair pair = stamp == 0 ? Pair{} : Pair{stamp, sector};
    for (std::size_t i = 0; i < kPairs; ++i) {
        std::memcpy(&bytes[i * sizeof(Pair)], pair.data(), sizeof(Pair));
    }
}

Stamp decode_sector(std::span<const std::byte> bytes, std::uint64_t sector)
{
    const Pair first = pair_at(bytes, 0);
    if (!uniform(bytes)) {
        return kGarbage;
    }
    if (first == Pair{}) {
        return 0;
    }
    return first[1] == sector ? first[0] : kGarbage;
}

std::string describe(Stamp stamp)
{
    if (stamp == 0) {
        return "zeros";
    }
    if (stamp == kGarbage) {
        return "garbage";
    }
    const std::uint64_t writer = stamp >> 48U;
    const std::uint64_t operation = stamp & ((Stamp{1} << 48U) - 1);
    return writer == 0 ? fmt::format("origin#{}", operation)
                       : fmt::format("snapshot-writer {}#{}", writer, operation);
}

std::string describe_bytes(std::span<const std::byte> bytes)
{
    const Pair first = pair_at(bytes, 0);
    if (uniform(bytes)) {
        return first == Pair{} ? "zeros" : fmt::format("{} of sector {}", describe(first[0]), first[1]);
    }
    return fmt::format("mixed bytes (begins {:#x}, {:#x}; ends {:#x}, {:#x})", first[0], first[1],
                       pair_at(bytes, kPairs - 1)[0], pair_at(bytes, kPairs - 1)[1]);
}

} // namespace sim
