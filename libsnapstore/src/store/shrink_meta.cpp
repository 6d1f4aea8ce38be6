// SPDX-License-Identifier: GPL-2.0
// The metadata zone becomes shorter. What lies beyond the new end is written anew below it, by checkpoints
// like any other; then the length changes.
//
//   limit ──► checkpoint ──► nodes and tables beyond the end are changed, as if by an insertion
//               ▲               └─ again, as long as anything beyond the end is named ─┘
//             ──► checkpoint with the new length ──► cut
//
// Nodes of the present generation would be changed where they are: hence a checkpoint before the first round.
//
// Crash cases. As long as the newest superblock has the old length, it names nodes wherever they are, and all
// of them are intact, as after any checkpoint. The one with the new length names nothing beyond the end, and
// replay adds nothing there.
//
// Invariants:
//   No block beyond the new end is given out from the beginning on (AllocatorTest.NothingBeyondTheLimit).
//   What is left has room for what there is, and for all that may be in flight: the tree's limit is the new
//   zone's from the beginning on. If writes need more, the shrink is given up, not a snapshot.
//   (ShrinkMetaTest)
#include <algorithm>

#include "format/layout.h"
#include "store/store_impl.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kRenewedAtOnce = 4096; // nodes, without a pause
}

// The fewest blocks: as many as a new store of this size would get, and room for what is there.
std::uint64_t Store::Impl::least_zone() const noexcept
{
    const std::uint64_t growth = tree->growth_bound(in_flight.size() + io.max_run_chunks());
    return std::max(zone_for(sb.data_chunks, sb.max_snapshots),
                    zone_with(std::max(tree->nodes(), recovery_nodes()) + growth));
}

Task<Result<void>> Store::Impl::shrink_meta(std::uint64_t end)
{
    if (zone_shrink) {
        co_return fail(Errc::busy, "the metadata's room is being made smaller");
    }
    if (const std::uint64_t least = least_zone(); end < least) {
        co_return fail(Errc::no_space, "the metadata of this store need more room",
                       block_offset(sb.meta.first + least));
    }
    zone_shrink.emplace();
    zone_shrink->end = end;
    auto done = co_await limit_zone();
    if (done) {
        done = co_await empty_zone_end();
    }
    if (done) {
        done = co_await cut_zone();
    }
    if (blocks.size() > end) {
        blocks.limit_to(blocks.size());
    }
    zone_shrink.reset();
    space_queue.wake_all();
    tick_queue.wake_all();
    co_return done;
}

// Others count on free blocks that they have seen: a commit under way on those that applying it may need, a
// checkpoint on room for the tables.
Task<Result<void>> Store::Impl::limit_zone()
{
    for (;;) {
        while (reserved_changes > 0 && !failed) {
            co_await commit_done.wait();
        }
        if (auto ok = may_go_on(zone_shrink); !ok) {
            co_return ok;
        }
        blocks.limit_to(zone_shrink->end);
        if (blocks.free() >= reserved_blocks() + tree->erase_bound(1)) {
            co_return Result<void>{};
        }
        blocks.limit_to(blocks.size()); // what was freed below the end is not usable yet
        if (blocks.pending() == 0) {
            stop_shrinking(zone_shrink, kZoneFilledUp);
            continue;
        }
        if (auto done = co_await checkpoint.run(); !done) {
            co_return done;
        }
    }
}

Task<Result<void>> Store::Impl::empty_zone_end()
{
    for (;;) {
        if (auto done = co_await checkpoint.run(); !done) {
            co_return done;
        }
        if (auto ok = may_go_on(zone_shrink); !ok) {
            co_return ok;
        }
        if (!blocks.any_from(zone_shrink->end)) {
            co_return Result<void>{};
        }
        if (auto renewed = co_await renew_nodes(zone_shrink->end); !renewed) {
            co_return renewed;
        }
        renew_tables(sb.meta.first + zone_shrink->end);
        if (!checkpoint.anything_to_do()) {
            co_return fail(Errc::corrupt, "a block of metadata is in use, and nothing names it");
        }
    }
}

// The tree's nodes from this block of the zone on get others, and so do the nodes above them.
Task<Result<void>> Store::Impl::renew_nodes(std::uint64_t first)
{
    std::uint64_t renewed = 0;
    for (std::uint64_t block = sb.meta.first + first; block < sb.meta.end(); ++block) {
        if (tree->node_at(block) == nullptr) {
            continue;
        }
        auto ok = co_await make_tree_room(1);
        if (ok && ++renewed % kRenewedAtOnce == 0) {
            co_await tick_queue.wait(); // let others run
            ok = co_await make_tree_room(1);
        }
        if (ok) {
            ok = may_go_on(zone_shrink);
        }
        if (!ok) {
            co_return ok;
        }
        tree->renew(block);
    }
    co_return Result<void>{};
}

// Tables are written as a whole, to other blocks, by the next checkpoint.
void Store::Impl::renew_tables(std::uint64_t from)
{
    const auto reaches = [from](const TableChain& chain) {
        return std::ranges::any_of(chain.blocks(), [from](std::uint64_t block) { return block >= from; });
    };
    if (reaches(snapshot_chain)) {
        table.touch();
    }
    attachments_dirty = attachments_dirty || reaches(attachment_chain);
}

// Nothing names a block beyond the end, nor will anything: the limit stands.
Task<Result<void>> Store::Impl::cut_zone()
{
    while (gate.locked()) {
        co_await gate.turn();
    }
    const Gate::Lock lock(gate);
    if (auto ok = may_go_on(zone_shrink); !ok) {
        co_return ok;
    }
    zone_shrink->final = true;
    Superblock next = sb;
    next.meta.count = zone_shrink->end;
    if (auto done = co_await checkpoint.change_geometry(next); !done) {
        co_return done;
    }
    blocks.cut_at_limit();
    tree->cut_zone(next.meta.count);
    co_return Result<void>{};
}

} // namespace snapstore
