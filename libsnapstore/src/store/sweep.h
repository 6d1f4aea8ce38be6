// SPDX-License-Identifier: GPL-2.0
// The sweep removes exceptions that serve no snapshot any more. A pass goes through the tree in key order,
// a bounded number of entries at a time, for all snapshots that were deleted or squashed before it began.
//
// Invariant: an exception is removed only if no held snapshot lies in (previous epoch of the chunk, its own
// epoch]; its chunk is reused only after a checkpoint. So no journal record is needed: after a crash the pass
// begins again. (StoreModelTest)
//
// May call: State, Places, Room, Checkpoint (start only).
#pragma once

#include "store/checkpoint.h"
#include "store/room.h"

namespace snapstore {

class Sweep {
public:
    enum class Step { idle, progress, needs_checkpoint };

    Sweep(Context& ctx, State& state, Places& places, Room& room, Checkpoint& checkpoint) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), checkpoint_(checkpoint)
    {}

    bool possible() const noexcept;
    Step step();
    bool stands_for_nodes() const noexcept; // a step needs more of them than are free
    // Asks whether clients have let go of what squashed snapshots had.
    void ask_released();

private:
    bool begin();
    void end();

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    Checkpoint& checkpoint_;
    bool sweeping_ = false;
    std::uint32_t epoch_ = 0; // lowest epoch whose garbage this pass looks for
    Key cursor_;
};

} // namespace snapstore
