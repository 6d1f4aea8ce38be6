// SPDX-License-Identifier: GPL-2.0
// A volume's side of a stream that it sends: what `zumastor send` and cycles have in common.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tools/stream/byte_stream.h"
#include "tools/stream/sender.h"
#include "tools/zumastor/replication/progress.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

struct SendEnds {
    std::optional<SnapshotEntry> from; // none: a full stream
    SnapshotEntry to;
    std::uint64_t first_chunk = 0; // > 0: the receiver has what is below it
    bool patches = false;          // the receiver knows them: chunks need not go whole
    // `from` is gone here, of its fields there is only the UUID: what has changed since is known up to
    // `marked`.
    struct Bookmark {
        SnapshotEntry marked;
        std::vector<DeltaRange> ranges; // since `from`
    };
    std::shared_ptr<const Bookmark> bookmark{};
};

// What a receiver is to be sent so that it has `to`: what it broke off, what changed since the newest
// snapshot that both have, or, if `full` or it has nothing, everything. Empty: it has `to`. Throws if none of
// it is possible.
std::optional<SendEnds> plan_for(const Volume& volume, const std::vector<SnapshotEntry>& mine,
                                 const ReplicaOffer& offer, const SnapshotEntry& to, bool full);

struct Sent {
    stream::Header header;
    stream::SendProgress amount;
};
// Writes the stream. Throws Failure, or stream::SinkError if nobody reads it to its end.
Sent send_to(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
             const ProgressOptions& shown, stream::ByteSink& sink);
// The same; a reader that has gone is an error with a text then, in all of this program.
stream::SendProgress send_to(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
                             const ProgressOptions& shown, int fd);

} // namespace zumastor
