// SPDX-License-Identifier: GPL-2.0
#include "store/shrink_meta.h"

#include <algorithm>

#include "format/layout.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kRenewedAtOnce = 4096; // nodes, without a pause
}

// The fewest blocks: as many as a new store of this size would get, and room for what is there.
std::uint64_t ZoneShrink::least_zone() const noexcept
{
    const std::uint64_t growth = state_.tree->growth_bound(state_.in_flight.size() + io_.max_run_chunks());
    return std::max(zone_for(ctx_.sb.data.chunks, ctx_.sb.max_snapshots),
                    room_.zone_with(std::max(state_.tree->nodes().size(), room_.recovery_nodes()) + growth));
}

Task<Result<void>> ZoneShrink::run(std::uint64_t blocks)
{
    if (room_.zone_shrink) {
        co_return fail(Errc::busy, "the metadata area is being made smaller");
    }
    if (const std::uint64_t least = least_zone(); blocks < least) {
        co_return fail(Errc::no_space, "the metadata of this store needs more room",
                       block_offset(ctx_.sb.zone.first + least));
    }
    room_.zone_shrink.emplace();
    room_.zone_shrink->end = blocks;
    auto done = co_await limit_zone();
    if (done) {
        done = co_await empty_zone_end();
    }
    if (done) {
        done = co_await cut_zone();
    }
    if (state_.zone.units().size() > blocks) {
        state_.zone.units().limit_to(state_.zone.units().size());
    }
    room_.zone_shrink.reset();
    ctx_.queues.space.wake_all();
    ctx_.queues.tick.wake_all();
    co_return done;
}

// Others count on free blocks that they have seen: a commit under way on those that applying it may need, a
// checkpoint on room for the tables.
Task<Result<void>> ZoneShrink::limit_zone()
{
    for (;;) {
        while (room_.reserved_changes > 0 && !ctx_.failed) {
            co_await ctx_.queues.commit.wait();
        }
        if (auto ok = room_.may_go_on(room_.zone_shrink); !ok) {
            co_return ok;
        }
        state_.zone.units().limit_to(room_.zone_shrink->end);
        if (state_.zone.free() >= room_.reserved_blocks() + state_.tree->erase_bound(1)) {
            co_return Result<void>{};
        }
        state_.zone.units().limit_to(
            state_.zone.units().size()); // what was freed below the end is not usable yet
        if (state_.zone.units().pending() == 0) {
            room_.stop_shrinking(room_.zone_shrink, kZoneFilledUp);
            continue;
        }
        if (auto done = co_await checkpoint_.run(); !done) {
            co_return done;
        }
    }
}

Task<Result<void>> ZoneShrink::empty_zone_end()
{
    for (;;) {
        if (auto done = co_await checkpoint_.run(); !done) {
            co_return done;
        }
        if (auto ok = room_.may_go_on(room_.zone_shrink); !ok) {
            co_return ok;
        }
        if (!state_.zone.units().any_from(room_.zone_shrink->end)) {
            co_return Result<void>{};
        }
        const Block end = ctx_.sb.zone.first + room_.zone_shrink->end;
        if (auto renewed = co_await renew_nodes(end); !renewed) {
            co_return renewed;
        }
        renew_tables(end);
        if (!checkpoint_.anything_to_do()) {
            co_return fail(Errc::corrupt, "a block of metadata is in use, but nothing refers to it");
        }
    }
}

// The tree's nodes from this block on get others, and so do the nodes above them.
Task<Result<void>> ZoneShrink::renew_nodes(Block from)
{
    std::uint64_t renewed = 0;
    for (Block block = from; block < ctx_.sb.zone.end(); ++block) {
        if (state_.tree->nodes().at(block) == nullptr) {
            continue;
        }
        auto ok = co_await checkpoint_.make_tree_room(1);
        if (ok && ++renewed % kRenewedAtOnce == 0) {
            co_await ctx_.queues.tick.wait(); // let others run
            ok = co_await checkpoint_.make_tree_room(1);
        }
        if (ok) {
            ok = room_.may_go_on(room_.zone_shrink);
        }
        if (!ok) {
            co_return ok;
        }
        state_.tree->renew(block);
    }
    co_return Result<void>{};
}

// Tables are written as a whole, to other blocks, by the next checkpoint.
void ZoneShrink::renew_tables(Block from)
{
    const auto reaches = [from](const TableChain& chain) {
        return std::ranges::any_of(chain.blocks(), [from](Block block) { return block >= from; });
    };
    if (reaches(state_.snapshot_chain)) {
        state_.table.touch();
    }
    state_.attachments_dirty = state_.attachments_dirty || reaches(state_.attachment_chain);
}

// Nothing names a block beyond the end, nor will anything: the limit stands.
Task<Result<void>> ZoneShrink::cut_zone()
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    if (auto ok = room_.may_go_on(room_.zone_shrink); !ok) {
        co_return ok;
    }
    room_.zone_shrink->final = true;
    Superblock next = ctx_.sb;
    next.zone.count = room_.zone_shrink->end;
    if (auto done = co_await checkpoint_.change_geometry(next); !done) {
        co_return done;
    }
    state_.zone.units().cut_at_limit();
    state_.tree->nodes().cut_zone(next.zone.count);
    co_return Result<void>{};
}

} // namespace snapstore
