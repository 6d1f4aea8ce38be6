// SPDX-License-Identifier: GPL-2.0
// What a snapshot store is made of, is given, and tells.
#pragma once

#include <cstdint>
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
// opens the store next; null: there is none. See StoreOrigin::give_up().
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

// What is damaged: all of it is counted, the first places are listed. A store may have more of them than there
// is memory for.
class DamageList {
public:
    static constexpr std::size_t kMostListed = 1000;

    void add(const Damage& damage)
    {
        ++found_;
        if (listed_.size() < kMostListed) {
            listed_.push_back(damage);
        }
    }
    bool empty() const noexcept { return found_ == 0; }
    std::uint64_t found() const noexcept { return found_; }
    const std::vector<Damage>& listed() const noexcept { return listed_; } // in the order of finding

private:
    std::vector<Damage> listed_;
    std::uint64_t found_ = 0;
};

struct CheckReport {
    std::uint64_t exceptions = 0;
    std::uint64_t data_verified = 0; // data chunks read and compared with their checksum
    std::uint64_t leaked_chunks = 0;
    DamageList damage; // empty: the store is consistent
};

// An exception, for a dump.
struct DumpEntry {
    Chunk chunk;
    Epoch epoch;
    bool is_private = false;
    bool zero = false;
    bool lost = false;
    StoreChunk location;
    std::uint32_t crc = 0;
};

// ---- what a store needs of its owner ----------------------------------------------------------------

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

// Whether the space of a squashed snapshot may be reused.
enum class Release : std::uint8_t {
    done,    // no client can use its extents any more
    awaited, // a client could use them
    overdue, // the same, and how long that will be so is not known: it is not waited for
};

// Told by the engine of things that its owner must act on. Called on the engine's thread, may not call
// back into the store synchronously except for the const queries.
class StoreObserver {
public:
    virtual ~StoreObserver() = default;
    // The store is full or has failed: `id` has been squashed durably. Its readers must be stopped.
    virtual void squashed(SnapshotId id) noexcept = 0;
    // Is no client left that could use the extents of a squashed snapshot? Asked again and again, at once when
    // StoreClients::space_released() is called.
    virtual Release released(SnapshotId id) noexcept = 0;
    // The last live snapshot is gone, or refill() is wanted, or the store has failed.
    virtual void state_changed() noexcept = 0;
    // A line for the log.
    virtual void log(Severity severity, std::string_view text) noexcept = 0;
};

// Those who were told where chunks are: by StoreSnapshots::read() to read there, by write() to write.
// They have to be kept away from chunks that StoreSpace::shrink() moves.
class PlaceUsers {
public:
    virtual ~PlaceUsers() = default;
    // When it completes nobody writes in places of this snapshot, nor will before release_writers(). An
    // error: nobody is held. It gives up when StoreSpace::shrink_stopped() says so.
    virtual Task<Result<void>> hold_writers(SnapshotId id) = 0;
    virtual void release_writers(SnapshotId id) noexcept = 0;
    // From now on nothing counts as read that was read at a place told before.
    virtual void revoke_places() noexcept = 0;
};

} // namespace snapstore
