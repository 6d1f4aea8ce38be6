// SPDX-License-Identifier: GPL-2.0
// A volume's end of a comparison (verify_session.h), whichever side speaks first.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/zumastor/replication/verify_session.h"
#include "tools/zumastor/volume/snapshot_content.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

class VerifyEnd {
public:
    enum class Side : std::uint8_t { upstream, replica };

    VerifyEnd(Volume& volume, Side side) : volume_(volume), side_(side) {}

    Side side() const noexcept { return side_; }
    VerifyHello hello() const;
    std::uint64_t chunk_bytes() const { return volume_.daemon().status().chunk_bytes; }
    // Nobody deletes the snapshot from now on. Its size in bytes. Throws Exit::not_found, naming it.
    std::uint64_t open(const std::string& uuid);
    const SnapshotEntry& snapshot() const noexcept { return snapshot_; }

    // Ranges in order. A range that a replica cannot read has an empty hash: it can be repaired. Throws if
    // upstream cannot be read, or the snapshot was squashed.
    void hash(const stream::Ranges& ranges, std::uint64_t first, std::uint64_t count,
              const std::function<void(std::uint64_t, const stream::RangeHash&)>& visit);

    // The last thing an end does: upstream's, and the replica's.
    void send(const std::vector<stream::ChunkRun>& runs, const stream::SendOptions& options, int fd);
    void take(int fd);

private:
    void need_content(std::uint64_t offset) const;

    Volume& volume_;
    Side side_;
    SnapshotEntry snapshot_;
    std::unique_ptr<SnapshotContent> content_;
};

} // namespace zumastor
