// SPDX-License-Identifier: GPL-2.0
// Applies durable records to the tree and the tables: after a commit, and at replay. Both must come to the
// same result.
//
// Invariant: every record that apply() is given is durable. (Commit, Replay)
//
// May call: State, Places.
#pragma once

#include "format/journal.h"
#include "store/places.h"
#include "store/state.h"

namespace snapstore {

class Applier {
public:
    Applier(Context& ctx, State& state, Places& places) noexcept : ctx_(ctx), state_(state), places_(places)
    {}

    // `replaying`: tolerate what is there already; an Error is damage.
    Result<void> apply(std::span<const record_disk> record, bool replaying);

private:
    Result<void> apply_add(const Entry& entry, bool replaying);
    Result<void> apply_create(std::span<const record_disk> record);
    Result<void> apply_state(const record_disk& record);
    Result<void> apply_attach(std::span<const record_disk> record);
    void apply_detach(const record_disk& record);

    Context& ctx_;
    State& state_;
    Places& places_;
};

} // namespace snapstore
