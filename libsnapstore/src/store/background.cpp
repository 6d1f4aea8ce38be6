// SPDX-License-Identifier: GPL-2.0
#include "store/background.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kBusyTicks = 8; // with the foreground busy, one tick in so many does a step
}

void Background::tick(bool force)
{
    if (!ctx_.opened || ctx_.closing || ctx_.failed) {
        return;
    }
    ++ticks_;
    ctx_.queues.tick.wake_all();
    commit_.seal();
    if (!gate_.idle() && !force && !space_.making() && ticks_ % kBusyTicks != 0) {
        return;
    }
    sampler_.step();
    sweep_.ask_released();
    const int steps = space_.making() ? 64 : 4;
    for (int i = 0; i < steps && !ctx_.failed; ++i) {
        const Sweep::Step state = sweep_.step();
        if (state == Sweep::Step::needs_checkpoint && !checkpoint_.running()) {
            checkpoint_.start();
        }
        if (state != Sweep::Step::progress) {
            break;
        }
    }
}

Task<void> Background::quiesce()
{
    while (ctx_.opened && !ctx_.failed) {
        sweep_.ask_released();
        if (commit_.running()) {
            co_await ctx_.queues.commit.wait();
        } else if (checkpoint_.running()) {
            co_await ctx_.queues.checkpoint.wait();
        } else if (sweep_.possible() && !ctx_.closing) {
            if (sweep_.step() == Sweep::Step::needs_checkpoint) {
                if (sweep_.stands_for_nodes()) {
                    co_await ctx_.queues.tick.wait(); // refill() wakes it
                } else {
                    (void)co_await checkpoint_.run();
                }
            }
        } else if (places_.pending() > 0) {
            (void)co_await checkpoint_.run();
        } else if (sampler_.sampling()) {
            co_await sampler_.sampled();
        } else {
            break;
        }
    }
}

} // namespace snapstore
