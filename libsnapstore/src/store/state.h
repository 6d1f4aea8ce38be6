// SPDX-License-Identifier: GPL-2.0
// The current state: what the records applied so far have made of the tree, the tables and the epoch, and
// which chunks are about to be added to it.
//
// Invariant: in memory it never runs ahead of the disk: it is changed by durable records (Applier), by the
// sweep and by moves of chunks, which need no record (sweep.h, shrink.h), and by nothing else. (I1)
//
// May call: Context.
#pragma once

#include <optional>
#include <vector>

#include "format/table_chain.h"
#include "index/lost_chunks.h"
#include "index/snapshot_table.h"
#include "index/tree.h"
#include "store/context.h"
#include "store/in_flight.h"

namespace snapstore {

struct State {
    explicit State(Context& ctx) noexcept : ctx_(ctx) {}

    // not_found, squashed.
    Result<Snapshot*> readable(SnapshotId id) const noexcept;
    // The exception that holds the snapshot's chunk; none: it is on the origin.
    std::optional<Entry> lookup(const Snapshot& snapshot, Chunk chunk) const noexcept;
    // What can be said of an exception read from disk without looking at others.
    bool plausible(const Entry& e) const noexcept;
    // Serves the exception no snapshot? `adjacent`: `previous` is the chunk's next lower shared epoch, 0 if
    // there is none. Else it may be higher.
    bool is_garbage(const Entry& entry, bool adjacent, std::uint32_t previous) const noexcept;
    bool mark_lost_chunks() const noexcept; // the superblock does not say yet that there are some
    // Squashes all up to this epoch, in memory; how many.
    std::uint64_t lose_snapshots(Epoch newest) noexcept;

    // Claims are by the entry's key: chunk << 1 | private; a run's keys are two apart.
    void claim(std::uint64_t first_key, std::uint32_t count);
    void unclaim(std::uint64_t first_key, std::uint32_t count);

    NodePool nodes;
    Zone zone;
    std::optional<Tree> tree;
    SnapshotTable table;
    TableChain snapshot_chain; // where it is on disk
    std::vector<Attachment> attachments;
    TableChain attachment_chain;
    bool attachments_dirty = false;
    Epoch epoch{1};
    SnapshotId next_id;
    std::uint64_t snapshots_created = 0; // since it was opened, replayed ones included
    LostChunks lost_places;
    bool late_garbage = false; // an exception was added that is garbage already
    InFlight in_flight;        // chunks being copied

    struct {
        std::uint64_t incarnation = 0;
        Sequence next{1};    // of the next block to write
        Sequence applied{1}; // of the first block not applied
    } journal;

private:
    Context& ctx_;
};

// Which snapshots have lost which chunks, of the chunks that are known.
std::vector<LostChunk> list_lost(const State& state);

} // namespace snapstore
