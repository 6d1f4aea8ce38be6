// SPDX-License-Identifier: GPL-2.0
// Hashes of a snapshot's content, range by range: what two ends compare instead of the content itself.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/stream/sender.h"

namespace zumastor::stream {

// XXH3-128 of the range's bytes, in lower-case hex. Empty: the range cannot be read.
using RangeHash = std::string;

struct Ranges {
    std::uint64_t size = 0; // bytes of the content that count; a multiple of 512
    std::uint64_t unit = 0; // bytes of a range, a multiple of 4096; the last one may be shorter
    std::uint64_t count() const noexcept { return (size + unit - 1) / unit; }
};

// Calls visit() for ranges [first, first + count) in order, which several threads read ahead of it. What
// visit() throws ends it. Memory: a MiB for each thread.
void hash_ranges(SnapshotReader& reader, const Ranges& ranges, std::uint64_t first, std::uint64_t count,
                 const std::function<void(std::uint64_t range, const RangeHash& hash)>& visit,
                 std::size_t threads = 4);

} // namespace zumastor::stream
