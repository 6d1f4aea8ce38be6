// SPDX-License-Identifier: GPL-2.0
// A volume's side of a stream that comes: what `zumastor receive` and cycles have in common.
//
//   check the header ── nothing is written before ──► write to the origin, remember how far ──► end record
//   right: flushed ──► take the snapshot, under the sender's UUID ──► forget the reception
//
// Invariants:
//   What the replica's snapshots hold never changes: everything is written through the origin device, which
//   copies out. Readers of the replica see its snapshots, never the origin while it is being written.
//   What is not of the stream is as in its base: somebody else's write to the origin, before the stream,
//   between its parts or while it comes, becomes no snapshot, unless it is where the stream writes, too.
//   `reception` is on disk before the first byte is written, and goes only after the snapshot is there: a
//   crash at any moment leaves a replica that knows what it was doing.
#pragma once

#include <memory>
#include <string>

#include "tools/stream/devices.h"
#include "tools/stream/stream_io.h"
#include "tools/zumastor/replication/progress.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Throws unless the volume may be overwritten: started, no master, its origin not mounted.
void refuse_wrong_role(const Volume& volume);
// Its snapshot is there: it had got so far when the power failed.
bool is_received(Daemon& daemon, const Reception& reception);
// ... and then it is over.
void end_reception(const Volume& volume, Daemon& daemon, ReplicaState& state);
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
// Whether the stream may come, by its header. Throws Failure before anything is touched.
void refuse_bad_stream(const Volume& volume, Daemon& daemon, const ReplicaState& state,
                       const stream::Header& header);
// Reads it and takes its snapshot: the volume may be overwritten. Throws Failure.
Received receive_from(Volume& volume, const ProgressOptions& shown, Incoming& incoming);

} // namespace zumastor
