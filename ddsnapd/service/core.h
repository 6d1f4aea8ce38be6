// SPDX-License-Identifier: GPL-2.0
// The inside of the volume service, shared by the files that implement it:
//
//   common.h            what all of them use: events, sessions
//   volume_service.cpp  entry points; who is told of a message
//   attachments.h       the record of clients that may write
//   handshake.cpp       HELLO, WELCOME, REFUSED, BYE
//   origin_writes.h     WRITE and GRANT
//   snapshot_requests.h SNAP_READ, SNAP_WRITE, UNLOCK
//   squash.h            INVALID, INVALID_ACK
//   barrier.h           create: HOLD, HELD, RESUME; STATE
//   origin_resize.h     the length of the origin
//   store_resize.h      the length of the store
//   removal.h           the deletion of a snapshot
//   control.cpp         what the control socket asks for
#pragma once

#include "ddsnapd/service/attachments.h"
#include "ddsnapd/service/barrier.h"
#include "ddsnapd/service/origin_resize.h"
#include "ddsnapd/service/origin_writes.h"
#include "ddsnapd/service/removal.h"
#include "ddsnapd/service/snapshot_requests.h"
#include "ddsnapd/service/squash.h"
#include "ddsnapd/service/store_resize.h"

namespace ddsnap {

struct ServiceCore final : snapstore::StoreObserver, Reactions {
    using SnapshotId = snapstore::SnapshotId;
    template <class T = void>
    using Task = snapstore::Task<T>;

    ServiceCore(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                const ServiceConfig& config, ClientProbe& probe, ServiceLog& log);

    snapstore::FramePool& frames() noexcept { return common.store.frames(); }

    // ---- volume_service.cpp ----
    void dispatch(Session& s, wire::Bytes message);
    void dispatch_open(Session& s, const wire::Header& header, wire::Bytes message);

    // ---- handshake.cpp ----
    void on_hello(Session& s, wire::Bytes message);
    Refusal judge(const wire::Hello& hello) const;
    Refusal judge_snapshot(const wire::Hello& hello) const;
    Refusal judge_rivals(const Session& s) const;
    void refuse(Session& s, const Refusal& refusal);
    Task<void> open_writer(Session& s);
    void welcome(Session& s);
    void on_bye(Session& s);
    Task<void> leave(Session& s);

    // ---- Reactions ----
    void announce_state() override { barrier.announce_state(); }
    void release_squashed() override { squash.release(); }

    // ---- StoreObserver ----
    void squashed(SnapshotId id) noexcept override { squash.squashed(id); }
    bool released(SnapshotId id) noexcept override { return squash.released(id); }
    void state_changed() noexcept override { common.events.state_dirty = true; }
    void log(int severity, std::string_view text) noexcept override; // as the store says it: 0 … 2

    Common common;
    Common& c_ = common;
    Attachments attachments;
    OriginWrites origin_writes;
    SnapshotRequests snapshot_requests;
    Squash squash;
    Barrier barrier;
    OriginResize origin_resize;
    StoreResize store_resize;
    Removal removal;

    std::uint32_t hurried = 0; // quiesce() calls: the sweep goes on whatever the foreground does
};

} // namespace ddsnap
