// SPDX-License-Identifier: GPL-2.0
// The volume service: what ddsnapd does between its sockets and the snapshot store. Sessions, credits,
// grants, read locks, the epoch barrier, attachments, squashes.
//
// Pure, like the engine: no threads, no clock, no syscalls. Bytes, disk completions and ticks go in; bytes
// to transports and disk requests come out. ddsnapd's shell drives it with sockets and io_uring, the
// simulation with its own. One thread.
//
// Memory: serving WRITE allocates nothing once the pools are warm (DaemonTest.OriginWritesDoNotAllocate).
// Opening a session and everything asked for by the control socket may allocate.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnapd/service/service_error.h"
#include "ddsnapd/service/service_types.h"
#include "snapstore/store.h"

namespace ddsnap {

// A client as `status` shows it: connected, or recorded as attached, or both.
struct ClientInfo {
    bool origin = true;
    snapstore::SnapshotId snapshot;
    std::uint32_t kind = 0; // enum ddsnap_client_kind
    std::string name;
    std::uint32_t major_or_pid = 0;
    std::uint32_t minor = 0;
    bool connected = false;
    bool attached = false;
    snapstore::Sectors sectors; // of its device, while it is connected
};

class Session;      // one connection; made by connect()
struct ServiceCore; // the inside

class VolumeService {
public:
    VolumeService(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                  const ServiceConfig& config, ClientProbe& probe, ServiceLog& log);
    ~VolumeService();

    snapstore::Store& store() noexcept;
    snapstore::FramePool& frames() noexcept;

    // Opens the store. Nothing else but the destructor may be called before it has succeeded.
    snapstore::Task<snapstore::Result<snapstore::OpenReport>> open();
    // Refuses new sessions, ends those there are, waits for all operations, closes the store.
    snapstore::Task<snapstore::Result<void>> close();

    // ---- data sessions ----
    // A new connection. The session is valid until on_disconnect() or until it calls transport.close().
    Session& connect(Transport& transport, const Peer& peer);
    void on_bytes(Session& session, std::span<const std::byte> bytes);
    void on_disconnect(Session& session, std::string_view reason);

    // ---- time ----
    // Now, from a clock that never goes back. Called at least at next_deadline() and a few times a second:
    // the store's background work takes its steps here.
    void on_tick(std::uint64_t now_ns);
    std::optional<std::uint64_t> next_deadline() const noexcept;

    // ---- control ----
    // Waits until every origin client has stopped writing, then takes the snapshot. Gives up at
    // `deadline_ns` of on_tick()'s clock: `timeout` if a client did not answer, `detached` if one is out of
    // reach.
    snapstore::Task<ServiceResult<snapstore::SnapshotInfo>> create(snapstore::CreateOptions options,
                                                                   std::uint64_t deadline_ns);
    // Refused while a client has the snapshot open, or may still write to it; `force`: also with uses.
    snapstore::Task<ServiceResult<void>> remove(snapstore::SnapshotId id, bool force);
    // The origin's length. `busy` while a snapshot is being taken, and, for a smaller one, while an origin
    // client is longer; `detached` if such a one may be out of reach. When it completes, nobody reads what is
    // beyond.
    snapstore::Task<ServiceResult<void>> resize_origin(snapstore::Sectors size);
    // How much of the store's device is used. For less, what lies beyond is moved; clients of snapshots have
    // to connect again meanwhile. no_space: more is in use, or writes have needed the room; `busy`,
    // `detached`: a snapshot's writer cannot be held, or it is under way already.
    snapstore::Task<ServiceResult<void>> resize_store(snapstore::Bytes size);
    // How much of the metadata device is used.
    snapstore::Task<ServiceResult<void>> resize_meta(snapstore::Bytes size);
    bool shrinking() const noexcept; // the store is being made smaller
    snapstore::Task<ServiceResult<snapstore::SnapshotInfo>> set_priority(snapstore::SnapshotId id,
                                                                         std::int8_t priority);
    snapstore::Task<ServiceResult<std::uint32_t>> add_use(snapstore::SnapshotId id, std::int64_t difference);
    snapstore::Task<ServiceResult<void>> checkpoint();
    // Waits until no deleted snapshot is being swept any more; `timeout` at the deadline.
    snapstore::Task<ServiceResult<void>> quiesce(std::uint64_t deadline_ns);
    snapstore::Task<ServiceResult<snapstore::CheckReport>> check(bool data);

    std::uint32_t sessions_of(snapstore::SnapshotId id) const noexcept;
    std::vector<ClientInfo> clients() const;
    const ServiceCounters& counters() const noexcept;

private:
    std::unique_ptr<ServiceCore> core_;
};

} // namespace ddsnap
