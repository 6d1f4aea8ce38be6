// SPDX-License-Identifier: GPL-2.0
// The inside of the volume service: its parts, put together. Each states in its header what it sees to and
// what it may call: what is above it here.
#pragma once

#include "ddsnapd/service/handshake.h"
#include "ddsnapd/service/origin_writes.h"
#include "ddsnapd/service/snapshot_requests.h"

namespace ddsnap {

struct ServiceCore final : private snapstore::StoreObserver, private Reactions {
    ServiceCore(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                const ServiceConfig& config, ClientProbe& probe, ServiceLog& log);
    snapstore::FramePool& frames() noexcept { return common.store.frames(); }

    void dispatch(Session& s, wire::Bytes message); // to the part that it is for

    Common common;
    Attachments attachments;            // the record of clients that may write
    OriginWrites origin_writes;         // WRITE and GRANT
    SnapshotRequests snapshot_requests; // SNAP_READ, SNAP_WRITE, UNLOCK
    Squash squash;                      // INVALID, INVALID_ACK
    Barrier barrier;                    // create: HOLD, HELD, RESUME; STATE
    OriginResize origin_resize;
    StoreResize store_resize;
    Removal removal;     // of a snapshot
    Handshake handshake; // HELLO, WELCOME, REFUSED; BYE

    std::uint32_t hurried = 0; // quiesce() calls: the sweep goes on whatever the foreground does

private:
    void dispatch_open(Session& s, const wire::Header& header, wire::Bytes message);

    // Reactions
    void announce_state() override { barrier.announce_state(); }
    void release_squashed() override { squash.release(); }

    // StoreObserver
    void squashed(snapstore::SnapshotId id) noexcept override { squash.squashed(id); }
    snapstore::Release released(snapstore::SnapshotId id) noexcept override { return squash.released(id); }
    void state_changed() noexcept override { common.events.state_dirty = true; }
    void log(Severity severity, std::string_view text) noexcept override { common.log.log(severity, text); }
};

} // namespace ddsnap
