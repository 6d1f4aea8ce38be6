// SPDX-License-Identifier: GPL-2.0
// What goes on by itself: at each tick the journal is sealed, and if the foreground is idle the origin is
// sampled and the sweep takes a few steps.
//
// Invariant: a tick does a bounded amount of work. quiesce() ends when there is none left.
//
// May call: State, Places, Gate, Checkpoint, Commit, Sweep, OriginSampler, Space (asks only).
#pragma once

#include "store/commit.h"
#include "store/gate.h"
#include "store/origin_sampler.h"
#include "store/space.h"

namespace snapstore {

class Background {
public:
    Background(Context& ctx, Places& places, Gate& gate, Checkpoint& checkpoint, Commit& commit, Sweep& sweep,
               OriginSampler& sampler, Space& space) noexcept
        : ctx_(ctx), places_(places), gate_(gate), checkpoint_(checkpoint), commit_(commit), sweep_(sweep),
          sampler_(sampler), space_(space)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    void tick(bool force);
    Task<void> quiesce();

private:
    Context& ctx_;
    Places& places_;
    Gate& gate_;
    Checkpoint& checkpoint_;
    Commit& commit_;
    Sweep& sweep_;
    OriginSampler& sampler_;
    Space& space_;
    std::uint64_t ticks_ = 0;
};

} // namespace snapstore
