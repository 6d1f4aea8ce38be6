// SPDX-License-Identifier: GPL-2.0
// The inside of a Store. Each operation or background activity has a file of its own:
//
//   open.cpp, load.cpp, replay.cpp    from devices to a running store
//   copy_out.cpp                      origin writes
//   lost_chunks.cpp, places.h            what of the origin cannot be read, of the store not be written
//   snapshot_read.cpp, snapshot_write.cpp
//   resize.cpp, shrink.cpp, shrink_meta.cpp   the lengths of origin, store and metadata zone
//   delta.cpp                         which chunks differ between snapshots
//   snapshots.cpp                     create, remove, priority, use count, attachments
//   commit.cpp, apply.cpp             the journal: records → durable → tree and tables
//   checkpoint.cpp                    tree and tables → durable
//   space.cpp, sweep.cpp              what to do when the store is full; removing garbage
//   loss.cpp                          what to do when it has failed
//   origin_check.cpp                  is this the origin that the store is of?
//   check.cpp, store.cpp              verification; the façade
//
// Life of a store chunk: free → allocated for a copy (uncommitted) → named by the tree once its record is
// durable (apply) → pending when the sweep erases the entry → free when the next checkpoint is durable.
#pragma once

#include <bitset>

#include "format/journal.h"
#include "format/origin_record.h"
#include "memory/assertion.h"
#include "memory/buffer_pool.h"
#include "store/checkpoint.h"
#include "store/gate.h"
#include "store/io_group.h"
#include "store/loss.h"
#include "store/origin_check.h"
#include "store/origin_sampler.h"
#include "store/planted_bugs.h"
#include "store/room.h"
#include "store/snapshots.h"
#include "store/sweep.h"

namespace snapstore {

inline constexpr std::size_t kMaxInFlight = 16384; // chunks being copied out, at most
inline constexpr std::size_t kQueueSlots = kMaxInFlight + 64;
inline constexpr const char* kChunkLost =
    "the chunk is lost: the origin could not be read when it was to be copied";

struct Store::Impl : Context, State, Places, Room { // NOLINT(clang-analyzer-optin.performance.Padding)
    Impl(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs);

    std::uint64_t max_run_chunks() const noexcept;

    // ---- open and close (open.cpp, load.cpp, replay.cpp) ----
    Task<Result<OpenReport>> open();
    Task<Result<Superblock>> read_copies(BlockDevice& device, const AlignedBuffer& buffer);
    Task<Result<void>> read_superblocks();
    Result<void> check_devices() const;
    void make_pools();
    // With `damage`: goes on past what is damaged and lists it.
    Task<Result<void>> load(std::vector<Damage>* damage);
    Task<Result<void>> load_table(TableKind kind, std::uint64_t head, std::uint64_t count);
    Result<void> load_table_block(std::span<const std::byte> image, TableKind kind);
    Task<Result<void>> load_tree(std::vector<Damage>* damage);
    struct PendingNode;
    Result<void> adopt_node(Node* node, const PendingNode& pending, std::vector<PendingNode>& below);
    Result<void> scan_entries(std::vector<Damage>* damage);
    Result<void> check_zone() const;
    Task<Result<void>> replay(OpenReport& report);
    struct Ring;
    Task<Result<void>> read_ring(Ring& ring);
    Task<Result<void>> read_ring_blocks(Ring& ring, std::uint64_t first, std::uint64_t count);
    Result<JournalHeader> header_at(const Ring& ring, std::uint64_t sequence) const;
    Result<std::uint64_t> find_journal_end(const Ring& ring, std::uint64_t& durable) const;
    Result<void> find_lost_commits(const Ring& ring, std::uint64_t end) const;
    Result<void> check_unreadable_end(const Ring& ring, std::uint64_t end) const;
    Task<Result<bool>> data_matches(std::span<const std::byte> block, std::size_t used);
    Result<void> replay_block(std::span<const std::byte> block, std::size_t used);
    Result<void> sweep_for_table();
    Task<Result<void>> close();

    // ---- copy-out (copy_out.cpp) ----
    struct Piece {
        std::uint32_t index = 0; // in the run
        std::uint32_t count = 0;
        std::uint64_t store_chunk = 0;
        bool zero = false;
    };
    static constexpr std::size_t kPieces = 8;
    struct Run {
        ChunkRange range;
        bool busy = false; // some chunk of the request is being copied by another
    };
    struct Cover {
        Epoch newest;
        Chunk end;
    };
    Cover cover(Chunk chunk) const noexcept;
    bool covered(ChunkRange range, std::bitset<kMaxRange>& map) const noexcept;
    bool writable(ChunkRange range) const noexcept;
    Task<Result<void>> origin_write(ChunkRange range);
    Task<Result<void>> copy_missing(ChunkRange range);
    Run next_run(ChunkRange range) const noexcept;
    Task<Result<void>> copy_run(ChunkRange range);
    Task<Result<void>> copy_claimed(ChunkRange& range, Epoch epoch);
    Task<Result<std::uint32_t>> write_pieces(const BufferPool::Lease& lease, ChunkRange range, Epoch epoch,
                                             std::uint32_t done);
    std::size_t plan_pieces(const BufferPool::Lease& lease, std::uint32_t count, std::uint32_t& next,
                            std::span<Piece> pieces);
    Task<bool> write_planned(const BufferPool::Lease& lease, std::span<const Piece> pieces);
    Task<bool> write_singly(const BufferPool::Lease& lease, std::span<const Piece> pieces);
    void queue_copies(const BufferPool::Lease& lease, ChunkRange range, Epoch newest,
                      std::span<const Piece> pieces);
    Task<Result<void>> read_origin(ChunkRange range, std::span<std::byte> to);
    Task<Result<void>> read_run(ChunkRange& part, const BufferPool::Lease& lease, bool& unreadable);
    Task<bool> origin_answers(Chunk except, std::span<std::byte> scratch);
    void lose_chunk(Chunk chunk, Epoch newest);
    std::vector<LostChunk> list_lost() const;
    Task<BufferPool::Lease> lease_buffer(std::uint64_t want);

    // ---- resize (resize.cpp) ----
    Result<void> fits(Bytes size, const BlockDevice& device, const char* smaller) const;
    Task<Result<void>> resize_origin(Sectors size);
    Task<Result<void>> copy_out_tail(Sectors size);
    std::uint64_t shared_from(std::uint64_t first, std::uint64_t end) const noexcept;
    Task<Result<void>> resize_store(Bytes size);
    Task<Result<void>> resize_meta(Bytes size);
    Task<Result<void>> grow_meta(std::uint64_t count);
    Task<Result<void>> write_identity(std::uint64_t data_chunks);

    // ---- a smaller store (shrink.cpp) ----
    static constexpr std::size_t kMoveBatch = 16;
    Task<Result<void>> shrink_store(Bytes size, PlaceUsers& users);
    Task<Result<void>> empty_tail(PlaceUsers& users);
    Task<Result<void>> move_shared(std::vector<Entry>& written);
    Task<Result<void>> move_private(std::span<const Entry> written, PlaceUsers& users);
    Task<Result<void>> move_batch(std::span<const Entry> batch);
    Task<Result<void>> read_moving(std::span<const Entry> entries, const BufferPool::Lease& lease);
    Task<Result<void>> write_moving(std::span<const Entry> entries, const BufferPool::Lease& lease);
    void name_places(std::span<const Entry> entries, std::span<const std::uint64_t> places);
    Task<Result<void>> make_move_room(std::uint64_t places);
    Task<Result<void>> make_tree_room(std::uint64_t changes);
    bool unchanged(const Entry& entry) const noexcept;
    Task<Result<void>> cut_tail();

    // ---- a smaller metadata zone (shrink_meta.cpp) ----
    std::uint64_t least_zone() const noexcept;
    Task<Result<void>> shrink_meta(std::uint64_t end);
    Task<Result<void>> limit_zone();
    Task<Result<void>> empty_zone_end();
    Task<Result<void>> renew_nodes(std::uint64_t first);
    void renew_tables(std::uint64_t from);
    Task<Result<void>> cut_zone();

    // ---- snapshots ----
    Task<Result<std::size_t>> snapshot_read(SnapshotId id, ChunkRange range, std::span<Extent> out);
    std::size_t build_extents(const Snapshot& snapshot, ChunkRange range, std::span<Extent> out,
                              std::uint32_t& covered_chunks, bool& unverified) const noexcept;
    Task<Result<void>> verify_run(SnapshotId id, ChunkRange range, std::uint32_t& next);
    Task<Result<std::size_t>> snapshot_write(SnapshotId id, ChunkRange range, std::span<Extent> out);
    Task<Result<void>> make_private(SnapshotId id, Chunk chunk);
    Task<Result<void>> copy_private(Snapshot& snapshot, Chunk chunk, bool& queued);
    Task<Result<void>> read_snapshot_chunk(const Snapshot& snapshot, Chunk chunk, std::span<std::byte> to);
    Result<DeltaPart> delta(SnapshotId from, std::optional<SnapshotId> to, Chunk start,
                            std::span<ChunkRange> out) noexcept;

    // ---- space (space.cpp, sweep.cpp) ----
    // ok: there may be room now, look again. Also ok if no snapshot is live any more.
    // `claims`: chunks that the caller has claimed, whose copies stand still meanwhile.
    Task<Result<void>> wait_for_space(std::uint64_t chunks_wanted, std::uint64_t records,
                                      std::uint64_t claims);
    Task<Result<void>> make_space();
    void tick(bool force);
    Task<void> quiesce();

    // ---- check (check.cpp) ----
    Task<Result<CheckReport>> check(bool data);
    Task<void> check_damaged(CheckReport& report);
    Task<Result<void>> check_nodes(CheckReport& report);
    void check_chunks(CheckReport& report) const;
    Task<Result<void>> check_data(CheckReport& report);

    // ---- failure and diagnosis ----
    StoreInfo info() const noexcept;

    Gate gate{config.max_operations};
    KnownOrigin origin{*this, *this};
    Checkpoint checkpoint{*this, *this, *this, *this, origin};
    Sweep sweep{*this, *this, *this, *this, checkpoint};
    OriginCheck origin_check{*this, *this, origin};
    OriginSampler sampler{*this, *this, origin, checkpoint};
    Applier applier{*this, *this, *this};
    Commit commit{*this, *this, *this, checkpoint, applier};
    Loss loss{*this, *this, *this, checkpoint, commit};
    Snapshots snapshots{*this, *this, *this, gate, checkpoint, commit};

    bool open_called = false;
    bool damaged = false; // open() has found damage: only check() works
    // Operations.
    BufferPool buffers;
    // Space.
    bool making_space = false;
    std::uint64_t claims_waiting = 0; // claims of those that wait for space
    std::uint64_t ticks = 0;
};

} // namespace snapstore
