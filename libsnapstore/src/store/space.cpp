// SPDX-License-Identifier: GPL-2.0
// When the store is full (I6): the cheapest remedy first. One request at a time works at it, the others
// wait and look again after each step:
//
//   the zone lacks room for the worst case of the copies under way  → wait for these
//   something is freed but not yet usable  → checkpoint
//   a deleted or squashed snapshot's garbage is still there → sweep
//   the store, or its room for metadata, is being shrunk → that is given up
//   a squashed snapshot's clients still use its extents → wait until they are released
//   else squash the next victim; none left, or snapshots come first → no_space
#include "store/store_impl.h"

namespace snapstore {

namespace {
constexpr int kUrgentSteps = 64; // of the sweep, at once
}

Task<Result<void>> Store::Impl::wait_for_space(std::uint64_t chunks_wanted, std::uint64_t records,
                                               std::uint64_t claims)
{
    claims_waiting += claims;
    if (claims > 0) {
        commit_done.wake_all(); // who waits for our copies in make_space() must not
    }
    Result<void> made;
    while (made && !failed && !closing && !table.none_live() && !has_room(chunks_wanted, records)) {
        if (making_space) {
            co_await space_queue.wait();
            continue;
        }
        making_space = true;
        made = co_await make_space();
        making_space = false;
        space_queue.wake_all();
    }
    claims_waiting -= claims;
    refusal_told = refusal_told && !made;
    if (made && closing) {
        co_return fail(Errc::stopping, "the store is closing");
    }
    co_return failed ? Result<void>{tl::unexpected(failure())} : made;
}

Task<Result<void>> Store::Impl::make_space()
{
    if (claims_waiting == 0 && in_flight.size() > 0) {
        // Only the worst case of the copies under way does not fit into the zone: let them end.
        co_await commit_done.wait();
        co_return Result<void>{};
    }
    if (chunks.pending() > 0 || recovery_nodes() > tree->nodes()) {
        co_return co_await checkpoint.run();
    }
    sweep.ask_released();
    if (sweep.possible()) {
        Sweep::Step state = Sweep::Step::progress;
        for (int i = 0; i < kUrgentSteps && state == Sweep::Step::progress; ++i) {
            state = sweep.step();
        }
        if (state == Sweep::Step::needs_checkpoint && wants_refill()) {
            co_await tick_queue.wait(); // refill() wakes us
            co_return Result<void>{};
        }
        if (state == Sweep::Step::needs_checkpoint || chunks.pending() > 0) {
            co_return co_await checkpoint.run();
        }
        if (state == Sweep::Step::progress) {
            co_await tick_queue.wait(); // let others run
        }
        co_return Result<void>{};
    }
    if (shrink || zone_shrink) { // it has taken room away; or it is about to end, and then we look again
        stop_shrinking(shrink, kStoreFilledUp);
        stop_shrinking(zone_shrink, kZoneFilledUp);
        co_await tick_queue.wait();
        co_return Result<void>{};
    }
    for (const auto& s : table.all()) {
        if (s->info.state == SnapshotState::squashed && !s->swept) {
            co_await tick_queue.wait(); // until it is released
            co_return Result<void>{};
        }
    }
    const Snapshot* victim = config.snapshot_first ? nullptr : table.victim();
    if (victim == nullptr) {
        if (!refusal_told) {
            refusal_told = true;
            observer.log(
                2, config.snapshot_first
                       ? "the snapshot store is full: writes to the origin fail (snapshot first). Delete "
                         "snapshots, or enlarge the store"
                       : "the snapshot store is full and only pinned snapshots are left: writes to the "
                         "origin fail. Delete snapshots, or enlarge the store");
        }
        co_return fail(Errc::no_space, "the snapshot store is full and no snapshot may be squashed");
    }
    observer.log(1, "the snapshot store is full: squashing a snapshot");
    const auto squashed = co_await snapshots.squash(victim->info.id);
    if (!squashed && squashed.error().code != Errc::not_found) { // removed meanwhile: as good
        co_return squashed;
    }
    co_return Result<void>{};
}

} // namespace snapstore
