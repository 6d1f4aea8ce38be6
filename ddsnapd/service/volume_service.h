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
#include "ddsnapd/service/service_log.h"
#include "snapstore/store.h"

namespace ddsnap {

// The way back to one client. The shell's is a bounded ring in front of a socket.
class Transport {
public:
    virtual ~Transport() = default;
    // Queues the bytes for sending; false if the client reads too slowly for what it asks: the service then
    // closes the session. Never calls back into the service.
    virtual bool send(std::span<const std::byte> bytes) noexcept = 0;
    // The service has ended the session and never touches this object again. What send() took before is
    // still delivered if the client reads it. Never calls back into the service.
    virtual void close(std::string_view reason) noexcept = 0;
};

// What the shell knows of the process at the other end of a socket.
struct Peer {
    snapstore::Uuid boot{}; // this host's boot id
    std::uint32_t pid = 0;
    std::uint64_t start_time = 0; // of that process, clock ticks since boot (/proc/PID/stat)
};

// Can a recorded client that is out of reach still write? Implemented by the shell with /proc and /sys.
class ClientProbe {
public:
    virtual ~ClientProbe() = default;
    // True only with proof: the host has booted since, its mapped device or its process is no longer there.
    virtual bool proven_gone(const snapstore::Attachment& attachment) noexcept = 0;
};

struct ServiceConfig {
    std::uint32_t origin_credits = 512;  // WRITEs unanswered at once
    std::uint32_t snapshot_credits = 64; // per session: requests unanswered or locked at once
    std::uint32_t max_range = 1024;      // chunks in one request
    std::uint32_t max_extents = 32;      // in one answer; bounds what a client that does not read costs
    std::uint32_t snapshot_operations =
        384; // of all sessions in the engine at once; leaves room for the origin
    // How long an answer to INVALID may take: origin writes may be waiting for the space.
    std::uint64_t invalid_patience_ns = 5'000'000'000;
    // How long a snapshot's writer may take to connect again when its chunks are to be moved.
    std::uint64_t hold_patience_ns = 10'000'000'000;
    std::uint64_t probe_interval_ns = 1'000'000'000; // how often a client out of reach is looked for
};

struct ServiceCounters {
    std::uint64_t messages_in = 0;
    std::uint64_t messages_out = 0;
    std::uint64_t grants = 0;       // GRANT messages with status ok
    std::uint64_t stale_writes = 0; // WRITEs dropped because their epoch was over
    std::uint64_t lock_waits = 0;   // WRITEs that had to wait for a snapshot reader
    std::uint64_t sessions = 0;     // opened
    std::uint64_t refused = 0;
    std::uint64_t protocol_errors = 0; // sessions closed for what their client sent
    std::uint64_t slow_clients = 0;    // sessions closed because the client did not read
    std::uint64_t barriers = 0;        // creates that got as far as the commit
    std::uint64_t barrier_failures = 0;
};

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
