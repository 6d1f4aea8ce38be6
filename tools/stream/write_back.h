// SPDX-License-Identifier: GPL-2.0
// An origin and a snapshot that it ought to hold. Only what the store's index says may differ is read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tools/common/daemon.h"
#include "tools/stream/chunk_ranges.h"
#include "tools/stream/sender.h"

namespace zumastor {

// What is compared: a volume's bytes from chunk `first` on and up to `end`, without the chunks that `without`
// gives.
struct Compared {
    std::uint64_t chunk_bytes = 0;
    std::uint64_t end = 0; // a byte; no more than base and origin have
    std::uint64_t first = 0;
    RangeSource without{};
};
// All that both have.
Compared all_of(Daemon& daemon, const SnapshotEntry& base);

// Whether the content of the origin, at `device`, is that of `base`. `open` gives base's content, and is
// called if there is anything to be read of it.
bool device_equals(const std::string& device, Daemon& daemon, const SnapshotEntry& base,
                   const std::function<std::unique_ptr<stream::SnapshotReader>()>& open,
                   const Compared& compared);

// Makes the origin what `to` holds, as far as that reaches, through its device, and flushes it. Other
// snapshots keep their content. Can be repeated after an interruption. Throws NoSpace, stream::TransferError.
void write_back(const std::string& device, Daemon& daemon, const SnapshotEntry& to,
                stream::SnapshotReader& content);
// How much that would write at most, in bytes.
std::uint64_t bytes_to_write_back(Daemon& daemon, const SnapshotEntry& to);

} // namespace zumastor
