// SPDX-License-Identifier: GPL-2.0
// What a store remembers of its origin, to know it again: names of disks change. Part of the superblock.
//
// A store on the wrong origin shows snapshots that are wrong, and lets others' data be written. Names, sizes
// and even filesystems' UUIDs can be those of another disk, a clone. So the record has two parts: an
// identity, which the caller makes of what the system knows of the device, and samples of content that only
// this origin has.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "format/disk_format.h"

namespace snapstore {

// The CRC-32C of a block of the origin that has not been written since the snapshot of that epoch was taken.
// Whether that is still so, the tree says: as long as the snapshot is live, a write leaves an exception.
struct OriginSample {
    OriginBlock block;
    std::uint32_t epoch = 0; // 0: unused
    std::uint32_t crc = 0;
    bool operator==(const OriginSample&) const = default;
};

struct OriginRecord {
    std::array<char, kOriginIdentity> identity{}; // NUL-padded
    std::array<OriginSample, kOriginSamples> samples{};

    bool operator==(const OriginRecord&) const = default;

    std::string_view identity_text() const noexcept;
    void set_identity(std::string_view text) noexcept; // what is too long is cut off after a word
    std::size_t count() const noexcept;                // of samples
};

enum class Likeness : std::uint8_t { same, other, unknown };

// Identities are words "kind=value", the order being of no importance. A device is another one if it has
// another value of some kind; "fs" counts only if there is no kind that both have: filesystems are made anew,
// and copied.
Likeness compare_identities(std::string_view before, std::string_view now) noexcept;

} // namespace snapstore
