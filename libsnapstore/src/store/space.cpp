// SPDX-License-Identifier: GPL-2.0
#include "store/space.h"

namespace snapstore {

namespace {
constexpr int kUrgentSteps = 64; // of the sweep, at once
}

Task<Result<void>> Space::wait_for_space(std::uint64_t chunks_wanted, std::uint64_t records,
                                         std::uint64_t claims)
{
    claims_waiting_ += claims;
    if (claims > 0) {
        ctx_.queues.commit.wake_all(); // who waits for our copies in make() must not
    }
    Result<void> made;
    while (made && !ctx_.failed && !ctx_.closing && !state_.table.none_live() &&
           !room_.has_room(chunks_wanted, records)) {
        if (making_) {
            co_await ctx_.queues.space.wait();
            continue;
        }
        making_ = true;
        made = co_await make();
        making_ = false;
        ctx_.queues.space.wake_all();
    }
    claims_waiting_ -= claims;
    room_.refusal_told = room_.refusal_told && !made;
    if (made && ctx_.closing) {
        co_return fail(Errc::stopping, "the store is closing");
    }
    co_return ctx_.failed ? Result<void>{tl::unexpected(ctx_.failure())} : made;
}

Task<Result<void>> Space::make()
{
    if (claims_waiting_ == 0 && state_.in_flight.size() > 0) {
        // Only the worst case of the copies under way does not fit into the zone: let them end.
        co_await ctx_.queues.commit.wait();
        co_return Result<void>{};
    }
    if (places_.pending() > 0 || room_.recovery_nodes() > state_.tree->nodes().size()) {
        co_return co_await checkpoint_.run();
    }
    sweep_.ask_released();
    if (sweep_.possible()) {
        co_return co_await sweep_some();
    }
    if (room_.shrink || room_.zone_shrink) {
        // It has taken room away; or it is about to end, and then we look again.
        room_.stop_shrinking(room_.shrink, kStoreFilledUp);
        room_.stop_shrinking(room_.zone_shrink, kZoneFilledUp);
        co_await ctx_.queues.tick.wait();
        co_return Result<void>{};
    }
    for (const auto& s : state_.table.all()) {
        if (s->info.state == SnapshotState::squashed && !s->swept && !s->overdue) {
            co_await ctx_.queues.tick.wait(); // until it is released
            co_return Result<void>{};
        }
    }
    co_return co_await squash_next();
}

// A few steps of the sweep, and what they need to go on.
Task<Result<void>> Space::sweep_some()
{
    Sweep::Step state = Sweep::Step::progress;
    for (int i = 0; i < kUrgentSteps && state == Sweep::Step::progress; ++i) {
        state = sweep_.step();
    }
    if (state == Sweep::Step::needs_checkpoint && room_.wants_refill()) {
        co_await ctx_.queues.tick.wait(); // refill() wakes us
        co_return Result<void>{};
    }
    if (state == Sweep::Step::needs_checkpoint || places_.pending() > 0) {
        co_return co_await checkpoint_.run();
    }
    if (state == Sweep::Step::progress) {
        co_await ctx_.queues.tick.wait(); // let others run
    }
    co_return Result<void>{};
}

Task<Result<void>> Space::squash_next()
{
    const Snapshot* victim = ctx_.config.snapshot_first ? nullptr : state_.table.victim();
    if (victim == nullptr) {
        if (!room_.refusal_told) {
            room_.refusal_told = true;
            ctx_.observer.log(
                Severity::error,
                ctx_.config.snapshot_first
                    ? "the snapshot store is full: writes to the origin fail (snapshot first). Delete "
                      "snapshots, or enlarge the store"
                    : "the snapshot store is full and only pinned snapshots are left: writes to the "
                      "origin fail. Delete snapshots, or enlarge the store");
        }
        co_return fail(Errc::no_space, "the snapshot store is full and no snapshot may be squashed");
    }
    ctx_.observer.log(Severity::warning, "the snapshot store is full: squashing a snapshot");
    const auto squashed = co_await snapshots_.squash(victim->info.id);
    if (!squashed && squashed.error().code != Errc::not_found) { // removed meanwhile: as good
        co_return squashed;
    }
    co_return Result<void>{};
}

} // namespace snapstore
