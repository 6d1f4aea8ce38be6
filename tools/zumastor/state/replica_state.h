// SPDX-License-Identifier: GPL-2.0
// What a replica remembers between two streams: /var/lib/zumastor/.state/VOL/replica.json. Replaced at once
// and flushed, so that it is right whatever happens; a missing one says that nothing was ever received.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/common/border.h"

namespace zumastor {

// A stream that has been begun and not ended.
struct Reception {
    UuidText from; // empty: a full stream
    UuidText to;
    std::uint64_t next_chunk = 0; // all chunks of the stream below it are on the disk

    bool operator==(const Reception&) const = default;
};

struct ReplicaState {
    std::string lineage; // UUID of the volume that this is a replica of; empty: of none
    std::string last;    // UUID of the snapshot received last: what the origin holds; empty: none
    std::optional<Reception> reception;
    std::uint64_t received_ns = 0;  // when `last` was complete, since 1970; 0: an older version did not say
    std::uint64_t sector_bytes = 0; // the largest that what comes can be on (sectors.h); 0: not known

    bool operator==(const ReplicaState&) const = default;
};

// Throws if the file is there and not understood.
ReplicaState load_replica_state(const std::string& directory);
void save_replica_state(const std::string& directory, const ReplicaState& state);

} // namespace zumastor
