// SPDX-License-Identifier: GPL-2.0
// The façade of the engine: a snapshot store.
//
// The engine has no threads, no clock, no syscalls and no globals. It is driven by its caller: calls
// start operations, completions of BlockDevice requests carry them on, all on one thread. Operations
// that need I/O are coroutines (Task); they are started by being awaited or spawned.
//
// Memory: everything that serves origin_write(), snapshot_read() and snapshot_write() comes from
// pools that are allocated by the constructor and by refill(); these three never allocate. create(),
// remove(), open(), check() and listing may allocate.
//
// Invariants (architecture: I1-I8) are stated at the operation that keeps them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "snapstore/block_device.h"
#include "snapstore/error.h"
#include "snapstore/task.h"
#include "snapstore/types.h"

namespace snapstore {

inline constexpr std::uint64_t kMinStoreChunks = 16; // of the data area

// ---- making a store -------------------------------------------------------------------------

struct Format {
    std::uint32_t chunk_shift = 14; // log2 of the chunk size in bytes: is_chunk_shift()
    std::optional<Bytes> journal;   // size of the journal ring; none: chosen from the store's size
    Uuid uuid{};                    // of the volume; random, chosen by the caller
    Sectors origin_size;            // length of the origin device
};

// The devices of a volume. `meta` is null if the metadata live on the store device. `witness` is a block (of
// kBlockSize bytes, zeros to begin with) that fails independently of the others, and is found again whoever
// opens the store next; null: there is none. See Store::give_up().
struct Devices {
    BlockDevice* origin = nullptr;
    BlockDevice* store = nullptr;
    BlockDevice* meta = nullptr;
    BlockDevice* witness = nullptr;
};

// ---- what is in a store ---------------------------------------------------------------------

enum class SnapshotState : std::uint8_t { normal, squashed, deleting };

struct SnapshotInfo {
    static constexpr std::size_t kMaxName = 63; // bytes, UTF-8, no NUL
    static constexpr std::size_t kMaxTag = 31;  // e.g. the rotation's kind: "hourly"

    SnapshotId id;
    Epoch epoch;
    Uuid uuid{};
    std::uint64_t created_ns = 0; // UTC, nanoseconds since 1970, as given to create()
    Sectors size;                 // length of the origin when it was taken
    std::int8_t priority = 0;     // -128 … 127; 127 is never squashed
    std::uint32_t use_count = 0;
    SnapshotState state = SnapshotState::normal;
    std::string name;
    std::string tag;
};

struct CreateOptions {
    std::optional<SnapshotId> id; // none: the next number never used before
    Uuid uuid{};
    std::uint64_t created_ns = 0;
    std::int8_t priority = 0;
    std::string_view name;
    std::string_view tag;
};

// A client that may hold grants (origin) or extents it writes to (snapshot) even while it is
// disconnected; see docs/design.md, Attachment.
struct Attachment {
    Uuid client{};
    bool origin = true;
    SnapshotId snapshot;            // if !origin
    Uuid boot{};                    // boot id of the host it ran on
    std::uint32_t kind = 0;         // enum ddsnap_client_kind
    std::uint32_t major_or_pid = 0; // device major, or process id
    std::uint32_t minor = 0;
    std::uint64_t start_time = 0; // process: start time in clock ticks, from /proc/PID/stat
    std::string name;             // up to 63 bytes
};

struct Extent {
    enum class Kind : std::uint8_t { store, zero, origin };
    Chunk first;
    std::uint32_t count = 0;
    Kind kind = Kind::zero;
    Sectors sector; // on the store device, kind store only
};

// What one call of delta() has found.
struct DeltaPart {
    std::size_t ranges = 0; // of those given, filled
    Chunk next;             // all chunks before it are dealt with
    bool complete = false;  // nothing is left
    // Of the two snapshots, as they were found; 0 for the origin. Whoever pages through a delta compares them
    // with those of the first call: a number may have been given to another snapshot meanwhile.
    Epoch from;
    Epoch to;
};

struct StoreInfo {
    Uuid uuid{};
    std::uint32_t chunk_shift = 0;
    Sectors origin_size;
    Epoch epoch;                      // the current one
    std::uint64_t store_chunks = 0;   // data chunks in all
    Bytes store_size;                 // of the store device, as far as the store reaches
    Bytes meta_size;                  // of the metadata device, the same; zero if there is none
    std::uint64_t free_chunks = 0;    // of these, usable now
    std::uint64_t pending_chunks = 0; // freed, usable after the next checkpoint
    std::uint64_t meta_blocks = 0;    // blocks for nodes and tables, in all
    std::uint64_t free_meta_blocks = 0;
    std::uint64_t journal_blocks = 0;
    std::uint64_t journal_used = 0;
    std::uint64_t exceptions = 0; // entries of the tree
    std::uint64_t snapshots = 0;  // normal ones
    bool sweeping = false;        // a background delete is under way
    bool failed = false;
    const char* failure = "";        // if failed: what has
    std::uint64_t failure_where = 0; // byte offset on its device, 0 if not known
    std::uint64_t lost_chunks = 0;
    std::uint64_t bad_chunks = 0; // of the store, that could not be written since it was opened
    bool given_up = false;        // failed, and all snapshots are lost, durably: origin writes need no copies
    std::uint64_t origin_samples = 0; // blocks of the origin whose content it remembers
};

// A chunk that snapshots have lost: the origin could not be read when it was to be copied.
struct LostChunk {
    Chunk chunk;
    std::vector<SnapshotId> snapshots;
};

// Ever-growing counts since the store was opened.
struct StoreCounters {
    std::uint64_t copied_chunks = 0; // copy-outs, zero ones included
    std::uint64_t zero_chunks = 0;   // of these, stored as ZERO
    std::uint64_t origin_reads = 0;  // read requests to the origin
    std::uint64_t store_writes = 0;  // data write requests to the store
    std::uint64_t store_bytes = 0;   // data bytes written to the store
    std::uint64_t commits = 0;
    std::uint64_t journal_blocks = 0; // written
    std::uint64_t flushes = 0;
    std::uint64_t checkpoints = 0;
    std::uint64_t node_writes = 0;
    std::uint64_t swept_entries = 0;
    std::uint64_t squashed = 0;
    std::uint64_t delta_nodes = 0;  // tree nodes looked into for deltas
    std::uint64_t moved_chunks = 0; // because the store was made smaller
};

// What to do if the origin is not the one that the store is of (OpenReport::origin_compared).
enum class OtherOrigin : std::uint8_t {
    refuse,         // Errc::other_origin
    keep_snapshots, // it is meant; snapshots show what it holds where they share chunks with it
    lose_snapshots, // it is meant; all snapshots are squashed
};

struct OpenReport {
    bool clean = false; // closed in order the last time
    std::uint64_t replayed_records = 0;
    std::uint64_t discarded_blocks = 0; // torn or unverified tail
    std::uint64_t deleting = 0;         // snapshots whose sweep goes on
    std::uint64_t lost = 0;             // snapshots given up by an earlier life, whose store had failed
    // Blocks of the origin whose content the store knows, and those of them that hold something else.
    std::uint64_t origin_compared = 0;
    std::uint64_t origin_differing = 0;
    bool origin_renamed = false;  // another identity, but the same content
    bool origin_accepted = false; // it is another one, and was meant
};

struct Damage {
    const char* what = "";
    std::uint64_t where = 0; // byte offset on the metadata or store device
    Chunk chunk;             // first chunk concerned, where it is about one
    Epoch epoch;
};

struct CheckReport {
    std::uint64_t exceptions = 0;
    std::uint64_t data_verified = 0; // data chunks read and compared with their checksum
    std::uint64_t leaked_chunks = 0;
    std::vector<Damage> damage; // empty = consistent
};

// ---- the store ------------------------------------------------------------------------------

struct StoreConfig {
    Bytes node_cache{64ull << 20};       // memory for tree nodes to begin with; refill() adds to it
    std::uint32_t max_operations = 1024; // operations in flight at once, at most
    Bytes copy_buffer{32ull << 20};      // memory for chunks being copied
    Bytes max_run{1ull << 20};           // longest single I/O of a copy-out
    // False: origin first (I6). True: no snapshot is ever squashed or given up; origin writes that need a
    // copy fail instead, with no_space or failed.
    bool snapshot_first = false;
    // Of the origin's device, as words "kind=value" (origin_record.h): what is known of it besides its
    // content. Empty: nothing; what the store remembers stays then.
    std::string origin_identity{};
    OtherOrigin other_origin = OtherOrigin::refuse;
};

// Told by the engine of things that its owner must act on. Called on the engine's thread, may not call
// back into the store synchronously except for the const queries.
class StoreObserver {
public:
    virtual ~StoreObserver() = default;
    // The store is full or has failed: `id` has been squashed durably. Its readers must be stopped.
    virtual void squashed(SnapshotId id) noexcept = 0;
    // May the space of a squashed snapshot be reused? False as long as a client could still use its
    // extents; the engine asks again when space_released() is called.
    virtual bool released(SnapshotId id) noexcept = 0;
    // The last live snapshot is gone, or refill() is wanted, or the store has failed.
    virtual void state_changed() noexcept = 0;
    // A line for the log.
    virtual void log(Severity severity, std::string_view text) noexcept = 0;
};

// Those who were told where chunks are: by snapshot_read() to read there, by snapshot_write() to write. They
// have to be kept away from chunks that shrink_store() moves.
class PlaceUsers {
public:
    virtual ~PlaceUsers() = default;
    // When it completes nobody writes in places of this snapshot, nor will before release_writers(). An
    // error: nobody is held. It gives up when shrink_stopped() says so.
    virtual Task<Result<void>> hold_writers(SnapshotId id) = 0;
    virtual void release_writers(SnapshotId id) noexcept = 0;
    // From now on nothing counts as read that was read at a place told before.
    virtual void revoke_places() noexcept = 0;
};

class Store {
public:
    // Writes a new, empty store. Destroys what is on the store and metadata device. Neither checks for
    // nor asks about existing content: that is the caller's duty (probe()).
    static Result<void> check_sizes(const Devices& devices, const Format& format);
    static Task<Result<void>> initialize(FramePool& frames, Devices devices, Format format);
    // Does the device hold a superblock of ours? not_a_store if it does not.
    static Task<Result<StoreInfo>> probe(FramePool& frames, BlockDevice& device);

    Store(Devices devices, const StoreConfig& config, StoreObserver& observer);
    ~Store(); // all I/O must have ended and all operations with it: fail the I/O to give a store up
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    FramePool& frames() noexcept;

    // Loads the metadata, replays the journal, checkpoints. Nothing else may be called before it is done.
    // A second open() is an error.
    Task<Result<OpenReport>> open();
    // Which origin this is, from now on: durable with the next checkpoint or close(). For what has changed
    // since open(), a filesystem that was made anew for example.
    void set_origin_identity(std::string_view identity) noexcept;
    // As the store remembers it, also after an open() that was refused for it. Empty: it does not.
    std::string_view origin_identity() const noexcept;
    // Has an open() under way end soon with `stopping`, if it still reads; it has written nothing then.
    void stop_opening() noexcept;
    // Ends background work at a safe point, checkpoints, marks the store clean. No operation may be in
    // flight. After close() only the destructor may be called.
    Task<Result<void>> close();

    // ---- origin ----

    // True if no chunk of the range is shared: an origin write may pass at once. No I/O.
    bool writable(ChunkRange range) const noexcept;
    // True if no live snapshot exists.
    bool no_snapshots() const noexcept;
    // Copies out every chunk of the range that a live snapshot shares. Invariant I1: completes with
    // success only when data and records are durable (flushed). Concurrent calls for the same chunk
    // share one copy. Squashes as I6 says when space runs out; no_space only if nothing may be squashed. If
    // the store has failed: as give_up() says. Does not wait for read locks: these are the volume service's.
    // A chunk that the origin cannot deliver, though it delivers others, is lost to the snapshots that share
    // it: they get io_error there. (Under snapshot_first, and if the origin delivers nothing: io_error for
    // the write.) The exceptions are made for the newest epoch at the time of the copy; if create() closes
    // another epoch before the caller grants, the caller must ask again (compare epoch()).
    Task<Result<void>> origin_write(ChunkRange range);
    // The store has failed (info().failed): all snapshots are given up, one whose creation failed with it
    // included. Success only when that is durable, in the superblock or in the witness, so that whoever opens
    // the store next with the same witness finds them squashed; origin writes need no copies then. `failed`
    // otherwise: under snapshot_first, if a snapshot is pinned (priority 127), or if neither place takes the
    // record; origin writes that need a copy fail then.
    Task<Result<void>> give_up();

    // ---- snapshots ----

    // Where the chunks of a snapshot are, in at most out.size() extents, merged where adjacent; returns how
    // many. Chunks not covered by the answer are asked for again. For `origin` extents the caller must
    // have locked the range against grants before calling, and unlocks what comes back otherwise.
    // The first answer for a store chunk since open() verifies its CRC32C: Errc::corrupt if it differs (I7).
    Task<Result<std::size_t>> snapshot_read(SnapshotId id, ChunkRange range, std::span<Extent> out);
    // Gives the chunks private, writable places in the store, copying their present content; durable when
    // it completes. Extents of kind store only.
    Task<Result<std::size_t>> snapshot_write(SnapshotId id, ChunkRange range, std::span<Extent> out);

    // The length of the origin. Durable when it completes; a crash leaves the old or the new one. Snapshots
    // keep theirs. The device must be as large: else Errc::too_small.
    //
    // Shrinking first copies out what live snapshots share of what goes, the chunk that the new end divides
    // included; after that no snapshot reads the origin there. It never squashes for it: no_space if there is
    // no room for all of it (each chunk counted, zero ones too; what was copied by then stays). The
    // caller sees to it that nobody writes beyond the new end, and waits for readers that were told `origin`.
    Task<Result<void>> resize_origin(Sectors size);
    // The part of the store device that is used; the data area grows to it. Durable when it completes. The
    // metadata zone stays as it is.
    //   too_small   the device is smaller
    //   invalid     fewer chunks than there are
    //   busy        it is being shrunk
    Task<Result<void>> resize_store(Bytes size);
    // How much of a separate metadata device is used: more for more exceptions, or less. What lies beyond a
    // new end is written anew below it; everything else goes on meanwhile. Durable when it completes, and
    // nothing beyond the end is read or written from then on; a crash leaves the old length or the new one.
    // After an error all of it is used as before.
    //   too_small     the device is smaller
    //   unsupported   there is no such device
    //   no_space      a store of this size, or what it holds, needs more (where: how much, in bytes), or
    //                 writes have needed the room meanwhile
    //   busy          it is under way already
    Task<Result<void>> resize_meta(Bytes size);
    // As resize_store(), for a smaller part: moves what lies beyond its end. Everything else goes on
    // meanwhile. Durable when it completes, and nothing beyond the end is read or written from then on; a
    // crash leaves the old length or the new one. No snapshot is given up for it. After an error all of the
    // store is used as before.
    //   no_space            more chunks are in use (where: how many), or writes have needed the room meanwhile
    //   too_small           there would be fewer than 16 chunks
    //   invalid             it is not smaller
    //   busy                it is under way already
    //   corrupt, io_error   a chunk that is to be moved cannot be read (where: the byte)
    //   other               the error of users.hold_writers()
    Task<Result<void>> shrink_store(Bytes size, PlaceUsers& users);
    // Has a shrink_store() or resize_meta() under way end soon, mostly with an error (stopping).
    void stop_shrinking();
    bool shrink_stopped() const noexcept; // it is to be given up: room is needed, or the store has failed

    // Which chunks may differ between the snapshot `from` and a newer one, or the origin (`to` none): each
    // that was copied out between the two, or that was written to in one of them. Every chunk that differs is
    // among them; one that was overwritten with what it held is, too. So are all that the older one does not
    // have, or not whole, because the origin has grown since; and none that the newer one does not have.
    //
    // Found from chunk `start` on, in order, in `out`: ranges of chunks, merged where adjacent within one
    // call. A call does a bounded amount of work (kDeltaNodes nodes of the tree) and no I/O, allocates
    // nothing, and always gets on; go on at `next` until it is complete. `from` is older than `to`, and `out`
    // is not empty: else Errc::invalid. not_found, squashed: of either.
    //
    // Between two calls anything may happen. The parts make one right delta as long as both snapshots
    // live: hold them (add_use()). The origin is a moving target: each part is right for the
    // moment when it was asked for.
    static constexpr std::uint64_t kDeltaNodes = 512;
    Result<DeltaPart> delta(SnapshotId from, std::optional<SnapshotId> to, Chunk start,
                            std::span<ChunkRange> out) noexcept;

    // Closes the current epoch; durable when it completes. The caller has drained all origin writes and
    // holds all clients (epoch barrier).
    Task<Result<SnapshotInfo>> create(const CreateOptions& options);
    // Durable when it completes; the space is swept in the background. Errc::busy while use_count > 0.
    Task<Result<void>> remove(SnapshotId id);
    Task<Result<void>> set_priority(SnapshotId id, std::int8_t priority);
    // Returns the new count; Errc::invalid if it would be negative.
    Task<Result<std::uint32_t>> add_use(SnapshotId id, std::int64_t difference);
    Task<Result<void>>
    attach(const Attachment& attachment);   // durable when it completes; replaces by client id
    Task<Result<void>> detach(Uuid client); // durable when it completes

    // Listeners have released a squashed snapshot: see StoreObserver::released().
    void space_released(SnapshotId id) noexcept;

    // ---- queries, no I/O ----
    Epoch epoch() const noexcept;
    StoreInfo info() const noexcept;
    const StoreCounters& counters() const noexcept;
    std::vector<LostChunk> lost_chunks() const; // the first 1024 of info().lost_chunks
    std::vector<SnapshotInfo> list() const;     // by epoch; includes squashed ones, not deleting ones
    std::optional<SnapshotInfo> find(SnapshotId id) const;
    std::optional<SnapshotState> state_of(SnapshotId id) const noexcept; // does not allocate
    SnapshotId next_id() const noexcept;
    const std::vector<Attachment>& attachments() const noexcept;

    // ---- background ----

    // True if the pools want more memory; then call refill() from outside of any operation.
    bool wants_refill() const noexcept;
    void refill();
    // Lets background work (sweep) take a step if the foreground is idle or `force` is set; called by
    // the owner regularly. The unit of time is the owner's.
    void tick(bool force = false);
    // Completes when no background work is left (tests, ddsnap).
    Task<void> quiesce();
    Task<Result<void>> checkpoint();

    // Reads and compares all metadata (on disk against memory) and, if `data`, all data chunks.
    Task<Result<CheckReport>> check(bool data);
    // Every exception, in key order, to `visit`: for dump. Consistent only while nothing else runs.
    struct DumpEntry {
        Chunk chunk;
        Epoch epoch;
        bool is_private = false;
        bool zero = false;
        bool lost = false;
        StoreChunk location;
        std::uint32_t crc = 0;
    };
    void dump(const std::function<void(const DumpEntry&)>& visit) const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace snapstore
