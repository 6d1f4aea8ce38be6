// SPDX-License-Identifier: GPL-2.0
// What the store knows of its origin (format/origin_record.h), and which of that still counts.
//
// Invariant: a sample that counts is what the origin held, durably, when the snapshot of its epoch was taken:
// create() flushes the origin, and a write since then has left an exception of that epoch or a later one,
// which stays as long as the snapshot lives. So neither a crash nor a lost cache makes the right origin look
// wrong. (OriginCheckTest; sim: all of it)
//
// May call: State.
#pragma once

#include "format/origin_record.h"
#include "store/state.h"

namespace snapstore {

class KnownOrigin {
public:
    KnownOrigin(Context& ctx, State& state) noexcept : ctx_(ctx), state_(state) {}

    // That snapshot is live, has the chunk that the block is in, and shares it with the origin.
    bool unwritten_since(OriginBlock block, Epoch snapshot) const noexcept;
    // What does not count any more goes; what counts is so since the newest snapshot, too.
    void renew() noexcept;
    void add(const OriginSample& sample) noexcept;
    bool much_better_than_on_disk() const noexcept;

    OriginRecord record;     // goes to disk with each checkpoint
    bool to_be_kept = false; // reason enough for a checkpoint

private:
    bool whole_in(OriginBlock block, Sectors size) const noexcept; // the chunk that it is in

    Context& ctx_;
    State& state_;
};

} // namespace snapstore
