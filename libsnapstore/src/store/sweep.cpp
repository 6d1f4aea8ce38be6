// SPDX-License-Identifier: GPL-2.0
// The sweep removes exceptions that serve no snapshot any more. A pass goes through the tree in key order,
// a bounded number of entries at a time, for all snapshots that were deleted or squashed before it began.
//
// Invariant: an exception is removed only if no held snapshot lies in (previous epoch of the chunk, its own
// epoch]; its chunk is reused only after a checkpoint. So no journal record is needed: after a crash the pass
// begins again. (StoreModelTest)
#include "store/store_impl.h"

namespace snapstore {

namespace {
constexpr std::size_t kScan = 512;      // entries looked at in one step
constexpr std::size_t kErase = 128;     // entries removed in one step
constexpr std::uint64_t kBusyTicks = 8; // with the foreground busy, one tick in so many does a step
constexpr Key kSweepEnd{~std::uint64_t{0}, ~std::uint32_t{0}};

bool wants_sweep(const Snapshot& s)
{
    return s.info.state == SnapshotState::deleting ||
           (s.info.state == SnapshotState::squashed && !s.swept && s.released);
}
} // namespace

bool Store::Impl::sweep_possible() const noexcept
{
    if (failed) {
        return false;
    }
    if (sweeping || late_garbage) {
        return true;
    }
    const auto& all = table.all();
    return std::any_of(all.begin(), all.end(), [](const auto& s) { return wants_sweep(*s); });
}

bool Store::Impl::begin_sweep()
{
    if (!sweep_possible()) {
        return false;
    }
    sweep_epoch = ~std::uint32_t{0};
    for (const auto& s : table.all()) {
        s->in_sweep = wants_sweep(*s);
        if (s->in_sweep) {
            sweep_epoch = std::min(sweep_epoch, s->info.epoch.value);
        }
    }
    if (late_garbage) {
        sweep_epoch = 0; // it may be of any epoch
    }
    late_garbage = false;
    sweep_cursor = Key{};
    sweeping = true;
    return true;
}

void Store::Impl::end_sweep()
{
    for (std::size_t i = 0; i < table.all().size();) {
        Snapshot& s = *table.all()[i];
        if (std::exchange(s.in_sweep, false)) {
            if (s.info.state == SnapshotState::deleting) {
                table.erase(s.info.epoch); // the next one has its index now
                continue;
            }
            table.set_swept(s);
        }
        ++i;
    }
    sweeping = false;
    if (chunks.pending() > 0 || table.dirty()) {
        start_checkpoint();
    }
}

Store::Impl::Sweep Store::Impl::sweep_step()
{
    if (!sweeping && !begin_sweep()) {
        return Sweep::idle;
    }
    const std::uint64_t wanted = tree->erase_bound(kErase) + reserved_changes;
    if (nodes.free() < wanted || blocks.free() < wanted + reserved_blocks()) {
        want_nodes(wanted);
        return Sweep::needs_checkpoint;
    }
    std::array<Entry, kErase> garbage{};
    std::size_t found = 0;
    std::size_t seen = 0;
    Entry previous;
    Key next = kSweepEnd;
    const auto visit = [&](const Entry& e, bool adjacent) {
        if (found == kErase || seen == kScan) {
            next = e.key;
            return false;
        }
        const bool same = seen > 0 && previous.key.key == e.key.key;
        if (is_garbage(e, adjacent, same ? previous.key.epoch : 0)) {
            garbage[found++] = e;
        }
        previous = e;
        ++seen;
        return true;
    };
    const bool ended = tree->visit(sweep_cursor, kSweepEnd, sweep_epoch, visit);
    for (std::size_t i = 0; i < found; ++i) {
        const bool erased = tree->erase(garbage[i].key);
        SNAPSTORE_ASSERT(erased);
        if (garbage[i].stored()) {
            chunks.free_later(garbage[i].store_chunk());
        } else if (garbage[i].lost()) {
            lost_places.erase(garbage[i].key);
        }
    }
    counters.swept_entries += found;
    sweep_cursor = next;
    if (ended) {
        end_sweep();
    }
    return Sweep::progress;
}

void Store::Impl::tick(bool force)
{
    if (!opened || closing || failed) {
        return;
    }
    ++ticks;
    tick_queue.wake_all();
    seal_journal();
    if (!gate.idle() && !force && !making_space && ticks % kBusyTicks != 0) {
        return;
    }
    sample_origin();
    ask_released();
    const int steps = making_space ? 64 : 4;
    for (int i = 0; i < steps && !failed; ++i) {
        const Sweep state = sweep_step();
        if (state == Sweep::needs_checkpoint && !checkpoint_running) {
            start_checkpoint();
        }
        if (state != Sweep::progress) {
            break;
        }
    }
}

Task<void> Store::Impl::quiesce()
{
    while (opened && !failed) {
        ask_released();
        if (commit_running) {
            co_await commit_done.wait();
        } else if (checkpoint_running) {
            co_await checkpoint_done.wait();
        } else if (sweep_possible() && !closing) {
            if (sweep_step() == Sweep::needs_checkpoint) {
                if (nodes.free() < tree->erase_bound(kErase)) {
                    co_await tick_queue.wait(); // refill() wakes it
                } else {
                    (void)co_await checkpoint();
                }
            }
        } else if (chunks.pending() > 0) {
            (void)co_await checkpoint();
        } else if (sampling) {
            co_await sampled.wait();
        } else {
            break;
        }
    }
}

} // namespace snapstore
