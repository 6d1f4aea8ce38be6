// SPDX-License-Identifier: GPL-2.0
// What goes on by itself, at each tick.
#include "store/store_impl.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kBusyTicks = 8; // with the foreground busy, one tick in so many does a step
}

void Store::Impl::tick(bool force)
{
    if (!opened || closing || failed) {
        return;
    }
    ++ticks;
    tick_queue.wake_all();
    commit.seal();
    if (!gate.idle() && !force && !making_space && ticks % kBusyTicks != 0) {
        return;
    }
    sampler.step();
    sweep.ask_released();
    const int steps = making_space ? 64 : 4;
    for (int i = 0; i < steps && !failed; ++i) {
        const Sweep::Step state = sweep.step();
        if (state == Sweep::Step::needs_checkpoint && !checkpoint.running()) {
            checkpoint.start();
        }
        if (state != Sweep::Step::progress) {
            break;
        }
    }
}

Task<void> Store::Impl::quiesce()
{
    while (opened && !failed) {
        sweep.ask_released();
        if (commit.running()) {
            co_await commit_done.wait();
        } else if (checkpoint.running()) {
            co_await checkpoint_done.wait();
        } else if (sweep.possible() && !closing) {
            if (sweep.step() == Sweep::Step::needs_checkpoint) {
                if (sweep.stands_for_nodes()) {
                    co_await tick_queue.wait(); // refill() wakes it
                } else {
                    (void)co_await checkpoint.run();
                }
            }
        } else if (chunks.pending() > 0) {
            (void)co_await checkpoint.run();
        } else if (sampler.sampling()) {
            co_await sampler.sampled();
        } else {
            break;
        }
    }
}

} // namespace snapstore
