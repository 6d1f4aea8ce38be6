// SPDX-License-Identifier: GPL-2.0
// A volume's side of a stream: what `zumastor send`, `receive` and `replicate` share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/stream/byte_stream.h"
#include "tools/stream/devices.h"
#include "tools/stream/sender.h"
#include "tools/stream/stream_io.h"
#include "tools/zumastor/replication/progress.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// The kind of the snapshots that replication takes for itself. They go when they are no base any more.
inline const std::string kReplicateKind = "replicate";

// ---- sending (send.cpp) ----

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

// From --compress and --rate-limit. Throws Exit::usage.
stream::SendOptions send_options(const Args& args);

// What a receiver is to be sent so that it has `to`: what it broke off, what changed since the newest
// snapshot that both have, or, if `full` or it has nothing, everything. Empty: it has `to`. Throws if none of
// it is possible.
std::optional<SendEnds> plan_for(const Volume& volume, const std::vector<SnapshotEntry>& mine,
                                 const ReplicaOffer& offer, const SnapshotEntry& to, bool full);

// Writes the stream. Throws Failure, or stream::SinkError if nobody reads it to its end.
stream::SendProgress send_to(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
                             const Args& args, int fd);

// ---- receiving (receive.cpp) ----

// Throws unless the volume may be overwritten: started, no master, its origin not mounted.
void refuse_wrong_role(const Volume& volume);
// A reception that had got as far as its snapshot when the power failed is over.
void settle(const Volume& volume, Daemon& daemon, ReplicaState& state);
ReplicaOffer offer_of(const Volume& volume);
struct Received {
    SnapshotEntry snapshot;
    // The origin's device. When it is closed udev looks into it, as somebody has written there: better not
    // while the replica's mount is being switched.
    std::unique_ptr<DeviceWriter> device;
    std::uint64_t bytes = 0; // of the stream
};
// A stream that comes, with its header. Throws Failure.
class Incoming {
public:
    explicit Incoming(int fd);
    stream::StreamReader& reader() noexcept { return reader_; }
    const stream::Header& header() const noexcept { return header_; }

private:
    stream::FdSource source_;
    stream::StreamReader reader_;
    stream::Header header_;
};
// Reads it and takes its snapshot: the volume may be overwritten. Throws Failure.
Received receive_from(Volume& volume, const Args& args, Incoming& incoming);

} // namespace zumastor
