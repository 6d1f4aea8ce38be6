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
//   resize.cpp          the length of the origin
//   shrink.cpp          the length of the store
//   control.cpp         the other control operations
#pragma once

#include "ddsnapd/service/attachments.h"
#include "ddsnapd/service/barrier.h"
#include "ddsnapd/service/origin_writes.h"
#include "ddsnapd/service/snapshot_requests.h"
#include "ddsnapd/service/squash.h"

namespace ddsnap {

struct ServiceCore final : snapstore::StoreObserver, snapstore::PlaceUsers, Reactions {
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

    // ---- resize.cpp ----
    Task<ServiceResult<void>> resize_origin(snapstore::Sectors size);
    Task<ServiceResult<void>> change_origin(snapstore::Sectors size);
    ServiceResult<void> refuse_longer_clients(snapstore::Sectors size) const;

    // ---- shrink.cpp ----
    Task<ServiceResult<void>> resize_store(snapstore::Bytes size);
    bool held_back(const Session& s) const noexcept; // is not to be welcomed now
    std::optional<ServiceError> writes_on(SnapshotId id) const;
    void end_writers(SnapshotId id);
    ServiceError explain_shrink(const snapstore::Error& error) const;
    Task<snapstore::Result<void>> hold_writers(SnapshotId id) override; // PlaceUsers
    void release_writers(SnapshotId id) noexcept override;
    void revoke_places() noexcept override;

    // ---- control.cpp ----
    Task<ServiceResult<void>> remove(SnapshotId id, bool force);
    Task<ServiceResult<void>> remove_unused(SnapshotId id, bool force);

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

    std::uint32_t hurried = 0; // quiesce() calls: the sweep goes on whatever the foreground does

    std::optional<snapstore::Sectors> new_end; // of an origin that is being shrunk: no client may be longer
    bool shrinking = false;                    // the store
    std::optional<SnapshotId> moving;          // its private chunks are: writers are not welcomed
    std::optional<ServiceError> shrink_error;  // why writers could not be held
    bool removing = false;                     // removes take turns
    SnapshotId removed;                        // valid while removing: not to be opened
};

} // namespace ddsnap
