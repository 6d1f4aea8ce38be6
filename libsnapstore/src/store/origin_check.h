// SPDX-License-Identifier: GPL-2.0
// Is this the origin that the store is of? open() compares what it finds with what the store remembers,
// before it writes anything.
//
// Samples of content decide as long as there are some that count (known_origin.h): the origin is another one
// if more than half of them differ. (Fewer: something has damaged it, or written past the volume; it is
// told.) If none count, the identities decide. Without live snapshots no content is remembered: nothing there
// could become wrong.
//
// May call: KnownOrigin, State.
#pragma once

#include "store/known_origin.h"

namespace snapstore {

class OriginCheck {
public:
    OriginCheck(Context& ctx, State& state, KnownOrigin& origin) noexcept
        : ctx_(ctx), state_(state), origin_(origin)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    // After the replay, before anything is written or answered.
    Task<Result<void>> check(OpenReport& report);

private:
    Task<Result<void>> compare_samples(OpenReport& report);

    Context& ctx_;
    State& state_;
    KnownOrigin& origin_;
};

} // namespace snapstore
