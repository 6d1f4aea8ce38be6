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
#include "store/background.h"
#include "store/checkpoint.h"
#include "store/copy_out.h"
#include "store/delta.h"
#include "store/gate.h"
#include "store/io_group.h"
#include "store/loss.h"
#include "store/origin_check.h"
#include "store/origin_sampler.h"
#include "store/planted_bugs.h"
#include "store/room.h"
#include "store/snapshot_read.h"
#include "store/snapshot_write.h"
#include "store/snapshots.h"
#include "store/sweep.h"

namespace snapstore {

inline constexpr std::size_t kMaxInFlight = 16384; // chunks being copied out, at most
inline constexpr std::size_t kQueueSlots = kMaxInFlight + 64;

struct Store::Impl : Context, State, Places, Room { // NOLINT(clang-analyzer-optin.performance.Padding)
    Impl(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs);

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

    // ---- resize (resize.cpp) ----
    Result<void> fits(Bytes size, const BlockDevice& device, const char* smaller) const;
    Task<Result<void>> resize_origin(Sectors size);
    Task<Result<void>> copy_out_tail(Sectors size);
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
    Space space{*this, *this, *this, *this, checkpoint, sweep, snapshots};
    ChunkIo io{*this};
    CopyOut copy_out{*this, *this, *this, *this, gate, commit, space, loss, io};
    SnapshotRead snapshot_reads{*this, *this, *this, gate, io};
    SnapshotWrite snapshot_writes{*this, *this, *this, *this, gate, commit, space, io, snapshot_reads};
    Background background{*this, *this, gate, checkpoint, commit, sweep, sampler, space};

    bool open_called = false;
    bool damaged = false; // open() has found damage: only check() works
};

} // namespace snapstore
