// SPDX-License-Identifier: GPL-2.0
// What may be counted on: nodes in memory, blocks of the metadata zone, places of the data area; and what a
// store or a zone that is being made smaller takes away from that.
//
// Invariant: whatever is in flight can be applied, and every checkpoint written, also after a crash: an
// operation begins only if has_room() for its worst case. (StoreModelTest, ShrinkMetaTest)
//
// May call: State, Places.
#pragma once

#include <optional>

#include "store/places.h"
#include "store/state.h"

namespace snapstore {

inline constexpr std::uint64_t kSpareBlocks = 16; // of the metadata zone, never counted on
inline constexpr Error kStoreFilledUp{Errc::no_space, "what is left of the snapshot store has filled up"};
inline constexpr Error kZoneFilledUp{Errc::no_space, "what is left for metadata has filled up"};

// A store (shrink.h) or its metadata zone (shrink_meta.h) that is being made smaller.
struct Shrink {
    std::uint64_t end = 0;        // chunks or blocks that are to be left
    std::uint64_t moved = 0;      // chunks
    std::optional<Error> stopped; // it is to be given up
    bool final = false;           // nothing stops it any more
};

class Room {
public:
    // What only grows between two checkpoints, at one moment.
    struct Mark {
        Tree::Mark tree;
        std::uint64_t snapshots_created = 0;
    };

    Room(Context& ctx, State& state, Places& places) noexcept : ctx_(ctx), state_(state), places_(places) {}

    bool has_room(std::uint64_t chunks_wanted, std::uint64_t records) const noexcept;
    std::uint64_t reserved_blocks() const noexcept;                   // of the zone, kept for tables
    std::uint64_t zone_with(std::uint64_t tree_nodes) const noexcept; // blocks that are needed
    std::uint64_t zone_limit() const noexcept;                        // blocks that may be used
    std::uint64_t node_limit() const noexcept;                        // nodes the tree may have
    std::uint64_t recovery_nodes() const noexcept;
    std::uint64_t recovery_snapshots() const noexcept;
    Mark mark() const noexcept;
    void set_durable(const Mark& mark) noexcept { durable_ = mark; } // of the newest durable checkpoint

    // Memory for nodes, which only refill() adds.
    bool wants_refill() const noexcept;
    void maybe_ask_refill();
    void want_nodes(std::uint64_t nodes); // so many free ones, by a step that stands still
    std::uint64_t nodes_wanted() const noexcept { return nodes_wanted_; }
    void refill();

    void stop_shrinking(std::optional<Shrink>& which, const Error& why);
    Result<void> may_go_on(const std::optional<Shrink>& which) const;

    std::optional<Shrink> shrink; // one is under way
    std::optional<Shrink> zone_shrink;
    std::uint64_t reserved_changes = 0; // nodes and blocks that the commit under way may need
    bool refusal_told = false;          // in the log, that origin writes fail

private:
    Context& ctx_;
    State& state_;
    Places& places_;
    Mark durable_;
    std::uint64_t nodes_wanted_ = 0;
    bool refill_asked_ = false;
};

} // namespace snapstore
