// SPDX-License-Identifier: GPL-2.0
// What simulated applications write: every 512-byte sector is filled with its stamp (who wrote it, in which
// operation) and its own number, so that any difference explains itself: an old version, another chunk's
// data, a torn sector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sim {

inline constexpr std::size_t kSector = 512;
inline constexpr std::size_t kBlock = 4096;
inline constexpr std::size_t kSectorsPerBlock = kBlock / kSector;

// 0 is a sector of zeros; kGarbage is what decode() says of bytes that no application wrote.
using Stamp = std::uint64_t;
inline constexpr Stamp kGarbage = ~Stamp{0};

// writer 0 … 254 (0 = the origin's application), operation from 1.
constexpr Stamp make_stamp(unsigned writer, std::uint64_t operation)
{
    return (static_cast<Stamp>(writer) << 48U) | operation;
}

// Fills one sector.
void encode_sector(std::span<std::byte> bytes, Stamp stamp, std::uint64_t sector);
// The stamp of a sector, if all of it carries the same one and `sector` as its number; else kGarbage.
Stamp decode_sector(std::span<const std::byte> bytes, std::uint64_t sector);
// "zeros", "origin#12", "snapshot 3#7", or a description of garbage.
std::string describe(Stamp stamp);
// What is in a sector, in words, wherever it came from.
std::string describe_bytes(std::span<const std::byte> bytes);

} // namespace sim
