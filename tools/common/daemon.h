// SPDX-License-Identifier: GPL-2.0
// A running ddsnapd as the tools see it: docs/control.md with types, its errors as Failures.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/common/border.h"
#include "tools/common/known.h"

namespace zumastor {

// The priority of a snapshot that is not given up, however full the store is.
inline constexpr int kNeverSquashed = 127;

struct SnapshotEntry {
    std::uint64_t id = 0;
    std::uint64_t epoch = 0;
    UuidText uuid;
    SnapshotName name; // one that an older version's store has, and that is none here, is left out
    SnapshotTag tag;   // the kinds of its rotation; likewise: no rotation drops the snapshot then
    std::uint64_t created_ns = 0;
    std::uint64_t sectors = 0;
    int priority = 0;
    std::uint64_t use_count = 0;
    bool squashed = false;
    std::uint64_t clients = 0;
};

// A snapshot that is to be taken; its number, if that is not the daemon's choice.
struct NewSnapshot {
    SnapshotTag tag{};
    SnapshotName name{};
    int priority = 0; // from its first moment
    std::optional<std::uint64_t> id{};
};

// A snapshot that is to be the same as one elsewhere.
struct ReceivedSnapshot {
    UuidText uuid;
    SnapshotName name;
    SnapshotTag tag;
    std::uint64_t created_ns = 0;
};

struct ClientEntry {
    bool origin = false;
    std::uint64_t snapshot = 0;
    PlainText name;
    std::string device;        // "MAJ:MIN" or empty
    std::uint64_t sectors = 0; // of the device, while it is connected
    bool connected = false;
    bool attached = false;
};

// The origin could not be read there when the chunk was to be copied.
struct LostChunkEntry {
    std::uint64_t chunk = 0;
    std::vector<std::uint64_t> snapshots;
};

struct VolumeEntry {
    UuidText uuid;
    std::uint64_t origin_sectors = 0;
    std::uint64_t chunk_bytes = 0;
    std::uint64_t store_bytes = 0; // what is used of the store's device
    std::uint64_t store_chunks = 0;
    std::uint64_t free_chunks = 0;
    std::uint64_t pending_chunks = 0;
    std::uint64_t meta_blocks = 0;
    std::uint64_t free_meta_blocks = 0;
    std::uint64_t journal_blocks = 0;
    std::uint64_t journal_used = 0;
    std::uint64_t exceptions = 0;
    std::uint64_t snapshots = 0;
    bool sweeping = false;
    bool failed = false;
    std::string failure;   // what has; empty from a daemon that does not tell
    bool given_up = false; // with it all snapshots; the origin is written without copies
    bool snapshot_first = false;
    std::uint64_t lost_chunks = 0;
    std::uint64_t bad_chunks = 0;     // of the store: could not be written, and are not used
    std::uint64_t origin_samples = 0; // places of the origin whose content the store knows
    std::vector<LostChunkEntry> lost; // the first of them
    std::uint64_t uptime_ms = 0;
    std::vector<ClientEntry> clients;
    std::vector<std::pair<std::string, std::uint64_t>> counters;
};

struct HelloEntry {
    std::string version;
    int pid = 0;
    std::string uuid;
    std::string store; // paths
    std::string origin;
    std::string data_socket;
};

// Chunks [first, first + count).
struct DeltaRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    bool operator==(const DeltaRange&) const = default;
};
struct DeltaEntry { // one step of a delta
    std::vector<DeltaRange> ranges;
    std::uint64_t next = 0;
    bool done = false;
    std::uint64_t from_epoch = 0;
    std::uint64_t to_epoch = 0; // 0: the origin
};

struct DamageEntry {
    std::string what;
    std::uint64_t where = 0;
};
struct CheckEntry {
    std::uint64_t exceptions = 0;
    std::uint64_t data_verified = 0;
    std::uint64_t damage_found = 0;
    std::vector<DamageEntry> damage; // the first of them
};

class Daemon {
public:
    // Throws Exit::missing if none answers at `socket`; `what` names the object: "volume test".
    Daemon(const std::string& socket, const std::string& what);
    // The same as a question. Not there: nobody listens. (One that starts or ends may not listen yet, or no
    // longer; what keeps two from one store is the lock on its device.)
    static Known<Daemon> ask(const std::string& socket, const std::string& what);
    ~Daemon();
    Daemon(Daemon&&) noexcept;
    Daemon& operator=(Daemon&&) noexcept;

    HelloEntry hello();
    VolumeEntry status();
    std::vector<SnapshotEntry> list(); // oldest first
    std::optional<SnapshotEntry> find(std::uint64_t id);
    SnapshotEntry create(const NewSnapshot& wanted, std::chrono::milliseconds limit);
    SnapshotEntry create(const ReceivedSnapshot& received, std::chrono::milliseconds limit);
    void remove(std::uint64_t id);
    void set_priority(std::uint64_t id, int priority);
    std::uint64_t add_use(std::uint64_t id, std::int64_t difference);
    // New lengths of the origin, of what is used of the store and of the metadata device; none: as it is.
    // To shrink one may take as long as copying its end does.
    void resize(std::optional<std::uint64_t> origin_sectors, std::optional<std::uint64_t> store_bytes,
                std::optional<std::uint64_t> meta_bytes = std::nullopt);
    CheckEntry check(bool data);
    // One step of the delta from snapshot `from` to `to` (none: the origin), chunks from `start` on.
    DeltaEntry delta_step(const SnapshotEntry& from, const std::optional<SnapshotEntry>& to,
                          std::uint64_t start);
    // The whole of it, from `start` on: calls visit() for each range of chunks that may differ, in order and
    // merged, until it returns false. Memory is bounded. Throws if one of the snapshots goes meanwhile: hold
    // them (add_use()).
    void delta(const SnapshotEntry& from, const std::optional<SnapshotEntry>& to, std::uint64_t start,
               const std::function<bool(const DeltaRange&)>& visit);
    void shutdown(); // answered before the daemon has gone

private:
    struct Impl;
    explicit Daemon(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace zumastor
