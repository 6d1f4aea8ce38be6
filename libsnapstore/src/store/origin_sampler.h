// SPDX-License-Identifier: GPL-2.0
// Reads samples of the origin while the store runs, so that it is known again (known_origin.h): a few blocks
// at each tick, until there are enough or it was tried often enough. A few seconds after the newest snapshot
// was taken the origin has its rest.
//
// Invariant: what is taken for a sample was read while nobody could write the block without a copy: since
// before the read the block was not written, as the tree says after it. (OriginCheckTest)
//
// May call: KnownOrigin, Checkpoint (start only). Allocates nothing.
#pragma once

#include <array>
#include <optional>

#include "store/checkpoint.h"
#include "store/known_origin.h"

namespace snapstore {

class OriginSampler {
public:
    OriginSampler(Context& ctx, State& state, KnownOrigin& origin, Checkpoint& checkpoint) noexcept
        : ctx_(ctx), state_(state), origin_(origin), checkpoint_(checkpoint)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    void step(); // from a tick
    bool sampling() const noexcept { return sampling_; }
    WaitQueue::Waiter sampled() noexcept { return sampled_.wait(); } // until it does not any more

private:
    static constexpr std::size_t kAtOnce = 8;
    using Blocks = std::array<OriginBlock, kAtOnce>;

    std::optional<OriginBlock> choose() noexcept;
    Task<void> take(Blocks wanted, std::size_t count);
    void keep();

    Context& ctx_;
    State& state_;
    KnownOrigin& origin_;
    Checkpoint& checkpoint_;
    AlignedBuffer buffer_{kAtOnce * kBlockSize.value};
    bool sampling_ = false; // blocks are being read
    WaitQueue sampled_;
    Epoch sampled_for_;       // newest live snapshot then
    std::uint32_t tries_ = 0; // blocks that may still be read for this snapshot
    std::uint64_t random_ = 0;
};

} // namespace snapstore
