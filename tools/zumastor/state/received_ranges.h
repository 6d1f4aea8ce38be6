// SPDX-License-Identifier: GPL-2.0
// Which chunks a reception has had from its stream: what else has changed on the origin since the base was
// written by somebody else. On disk it is /var/lib/zumastor/.state/VOL/reception.ranges (docs/replication.md
// has its bytes), which grows when replica.json says how far the reception is. A short one needs no file.
//
// Invariant: when replica.json says that all chunks below N have been received, the file has all of them.
// What the file has from N on means nothing.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/stream/chunk_ranges.h"
#include "tools/zumastor/state/replica_state.h"

namespace zumastor {

class ReceivedRanges {
public:
    // What is known of this reception, whose stream goes on at `reception.next_chunk`. Writes nothing.
    ReceivedRanges(const std::string& directory, const Reception& reception);

    // Of each record, as it comes. While another thread may be in keep().
    void add(const DeltaRange& range);
    // Those below are on disk from now on. To be called before replica.json says so.
    void keep(std::uint64_t next_chunk);

    // All of them. Not to be used while there may be more.
    RangeSource all() const;
    // Of chunks below it it is not known whether they were received: an older version did not write that
    // down.
    std::uint64_t known_from() const noexcept { return known_from_; }

private:
    void load();
    void open();

    std::string path_;
    Reception reception_; // where it began this time
    std::uint64_t known_from_;
    // Of the part of the file that counts; 0: it is of another reception, or not there.
    std::uint64_t end_ = 0;
    mutable std::mutex mutex_;        // of what follows
    std::vector<DeltaRange> waiting_; // not in the file
    ddsnap::UniqueFd file_;           // open for writing, once something was kept
};

// The reception is over.
void forget_received_ranges(const std::string& directory);

} // namespace zumastor
