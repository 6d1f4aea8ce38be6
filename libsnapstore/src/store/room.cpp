// SPDX-License-Identifier: GPL-2.0
#include "store/room.h"

#include <algorithm>

namespace snapstore {

bool Room::has_room(std::uint64_t chunks_wanted, std::uint64_t records) const noexcept
{
    const std::uint64_t growth = state_.tree->growth_bound(state_.in_flight.size() + records);
    return places_.free() >= chunks_wanted &&
           std::max(state_.tree->nodes().size(), recovery_nodes()) + growth <= node_limit();
}

std::uint64_t Room::reserved_blocks() const noexcept
{
    // Room to write both tables anew, twice: a second checkpoint may come before the first one's blocks
    // are free again.
    const std::uint64_t tables =
        TableChain::blocks_for(state_.table.all().size() + 1, sizeof(snapshot_disk)) +
        TableChain::blocks_for(state_.attachments.size() + 1, sizeof(attachment_disk));
    return 2 * tables + kSpareBlocks;
}

// A zone for a tree of so many nodes: these twice, since they are copied when they change.
std::uint64_t Room::zone_with(std::uint64_t tree_nodes) const noexcept
{
    const std::uint64_t tables = TableChain::blocks_for(ctx_.sb.max_snapshots, sizeof(snapshot_disk)) +
                                 TableChain::blocks_for(kMaxAttachments, sizeof(attachment_disk));
    return 2 * tree_nodes + 3 * tables + kSpareBlocks;
}

std::uint64_t Room::zone_limit() const noexcept
{
    return zone_shrink ? zone_shrink->end : ctx_.sb.zone.count;
}

std::uint64_t Room::node_limit() const noexcept
{
    const std::uint64_t zone = zone_limit();
    return (zone - std::min(zone, zone_with(0))) / 2;
}

// Nodes that the tree may have after a crash: replay begins at the durable checkpoint, without what the
// sweep has erased since.
std::uint64_t Room::recovery_nodes() const noexcept
{
    return state_.tree->nodes_without_erasures(durable_.tree);
}

// The same for the snapshot table, and what the sweep has erased from it.
std::uint64_t Room::recovery_snapshots() const noexcept
{
    return ctx_.sb.snapshot_table.count + (state_.snapshots_created - durable_.snapshots_created);
}

Room::Mark Room::mark() const noexcept { return {state_.tree->mark(), state_.snapshots_created}; }

bool Room::wants_refill() const noexcept
{
    return state_.nodes.free() < std::max<std::uint64_t>(state_.nodes.size() / 4, nodes_wanted_);
}

void Room::maybe_ask_refill()
{
    if (wants_refill() && !refill_asked_) {
        refill_asked_ = true;
        ctx_.observer.state_changed();
    }
}

void Room::want_nodes(std::uint64_t nodes)
{
    nodes_wanted_ = nodes;
    maybe_ask_refill();
}

void Room::refill()
{
    constexpr std::size_t kSlab = 1024; // nodes: 4 MiB
    while (wants_refill()) {
        state_.nodes.grow(std::min(kSlab, std::max<std::size_t>(64, state_.nodes.size() / 2)));
    }
    nodes_wanted_ = 0;
    refill_asked_ = false;
    ctx_.queues.tick.wake_all();
}

void Room::stop_shrinking(std::optional<Shrink>& which, const Error& why)
{
    if (which && !which->final && !which->stopped) {
        which->stopped = why;
        ctx_.observer.state_changed();
        ctx_.queues.tick.wake_all();
    }
}

Result<void> Room::may_go_on(const std::optional<Shrink>& which) const
{
    if (ctx_.failed) {
        return tl::unexpected(ctx_.failure());
    }
    return which->stopped ? Result<void>{tl::unexpected(*which->stopped)} : Result<void>{};
}

} // namespace snapstore
