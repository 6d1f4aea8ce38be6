// SPDX-License-Identifier: GPL-2.0
// Checkpoints: the tree and the tables as they are at one instant (freeze) are written to new places, then
// the superblock that names them. Commits, sweeps and lookups go on meanwhile.
//
// Order: nodes and tables → flush → superblock → flush → what was freed before the freeze is free.
//
// Invariant: whatever the newest durable superblock names stays as it is until the next one is durable; one
// checkpoint is written at a time. (StoreModelTest; sim: early-reuse)
//
// May call: State, Places, Room, KnownOrigin.
#pragma once

#include "store/known_origin.h"
#include "store/room.h"

namespace snapstore {

class Checkpoint {
public:
    Checkpoint(Context& ctx, State& state, Places& places, Room& room, KnownOrigin& origin) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), origin_(origin)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<void>> run(); // one that begins now or later is durable
    void start();
    bool running() const noexcept { return running_; }
    bool anything_to_do() const noexcept;

    // Nodes and blocks for so many changes of the tree, besides what the commit under way may need.
    Task<Result<void>> make_tree_room(std::uint64_t changes);
    // The lengths of `next` are the store's when it completes. Under the gate's lock.
    Task<Result<void>> change_geometry(const Superblock& next);
    // The next ones say that the store was closed in order.
    void mark_clean() noexcept { mark_clean_ = true; }
    // By itself: only while no checkpoint is under way, nor will be.
    Task<IoStatus> write_superblock(Superblock next);

private:
    struct Geometry {
        Sectors origin_size;
        Sectors largest_origin;
        std::uint64_t incompat = 0;
        std::uint64_t data_chunks = 0;
        std::uint64_t zone_blocks = 0;
    };

    Task<void> loop();
    Task<Result<void>> write();
    Superblock freeze();
    void freeze_tables(std::uint64_t generation);
    Task<IoStatus> write_frozen_nodes();
    Task<IoStatus> write_chain(TableChain& chain, bool& wanted);

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    KnownOrigin& origin_;

    bool running_ = false;
    std::uint64_t started_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t wanted_ = 0;
    bool write_snapshots_ = false; // the frozen generation has a new table
    bool write_attachments_ = false;
    bool mark_clean_ = false;
    bool both_copies_ = false;             // this checkpoint writes the superblock twice
    std::optional<Geometry> new_geometry_; // for the next checkpoint
    Room::Mark frozen_;
    AlignedBuffer superblock_{kBlockSize.value};
};

} // namespace snapstore
