// SPDX-License-Identifier: GPL-2.0
// Opening and closing a store.
#include <algorithm>

#include "store/store_impl.h"
#include "store/superblock_io.h"

namespace snapstore {

namespace {
constexpr std::size_t kMaxInFlight = 16384; // chunks being copied out, at most
}

// Everything whose size depends on the store.
void StoreImpl::make_pools()
{
    places.reset(ctx.sb.data.chunks);
    state.zone = Zone(ctx.sb.zone);
    state.tree.emplace(state.nodes, state.zone);
    commit.reset(kMaxInFlight + 64); // and some for who changes the table;
    state.in_flight = InFlight(kMaxInFlight);
    io.reset();
    const std::uint64_t wanted =
        std::min(ctx.config.node_cache.value / kBlockSize.value, ctx.sb.zone.count + 64);
    state.nodes.grow(std::max<std::uint64_t>(wanted, 64));
    ctx.frame_pool.reserve(ctx.config.max_operations, 1024);
    ctx.frame_pool.reserve(64, 8192);
}

// More snapshots than the table may have, some of them being deleted: earlier versions gave a deleted one's
// slot away before a table without it was on disk. What their sweep had done is done again, before the table
// is written.
Result<void> StoreImpl::sweep_for_table()
{
    while (state.table.all().size() > ctx.sb.max_snapshots) {
        const Sweep::Step step = sweep.step();
        if (step == Sweep::Step::needs_checkpoint && state.nodes.free() < room.nodes_wanted()) {
            state.nodes.grow(room.nodes_wanted());
        } else if (step != Sweep::Step::progress) {
            return fail(Errc::corrupt, "journal: too many snapshots", ctx.sb.max_snapshots);
        }
    }
    return {};
}

Task<Result<OpenReport>> StoreImpl::open()
{
    if (open_called) {
        co_return fail(Errc::invalid, "open() a second time");
    }
    open_called = true;
    auto ok = co_await read_superblocks(ctx);
    if (ok) {
        origin.record = ctx.sb.origin.record;
        ok = check_devices(ctx);
    }
    if (ok) {
        ok = ctx.may_go_on_opening();
    }
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    make_pools();
    OpenReport report;
    report.clean = ctx.sb.clean;
    ok = co_await loader.load(nullptr);
    if (ok) {
        ok = co_await replay.run(report);
    }
    if (ok) {
        ok = co_await loss.find(report);
    }
    if (ok) {
        ok = co_await origin_check.check(report);
    }
    if (ok) {
        ok = ctx.may_go_on_opening(); // for the last time: from here on it writes
    }
    if (!ok) {
        if (ok.error().code == Errc::corrupt) {
            checker.found_damage();
        }
        co_return tl::unexpected(ok.error());
    }
    state.journal.incarnation = ctx.sb.journal.incarnation + 1;
    state.journal.next = state.journal.applied;
    ctx.opened = true;
    ok = sweep_for_table();
    if (ok) {
        ok = co_await checkpoint.run();
    }
    if (ok) {
        ok = co_await loss.forget();
    }
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    for (const auto& s : state.table.all()) {
        report.deleting += s->info.state == SnapshotState::deleting ? 1U : 0U;
    }
    co_return report;
}

Task<Result<void>> StoreImpl::close()
{
    if (!ctx.opened) {
        co_return fail(Errc::invalid, "close() of a store that is not open");
    }
    ctx.closing = true;
    ctx.queues.tick.wake_all();
    ctx.queues.space.wake_all();
    while (commit.running() && !ctx.failed) {
        co_await ctx.queues.commit.wait();
    }
    while (loss.recording()) {
        co_await loss.recording_ended();
    }
    // Nothing may be in flight when it is closed, nor a checkpoint follow the last.
    while (sampler.sampling()) {
        co_await sampler.sampled();
    }
    if (ctx.failed) {
        co_return tl::unexpected(ctx.failure());
    }
    checkpoint.mark_clean();
    co_return co_await checkpoint.run();
}

} // namespace snapstore
