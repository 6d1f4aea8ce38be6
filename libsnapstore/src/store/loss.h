// SPDX-License-Identifier: GPL-2.0
// The store has failed (an I/O error of its own or of its metadata's device) and the origin has not: origin
// first (I6). Copies cannot be made any more, so the snapshots are given up and the origin is written
// without.
//
// They must never be taken for valid again: not by a daemon that is started when the device is back, not
// after a reboot. So that they are lost is recorded first, in two places:
//
//   the superblock, with the bit kIncompatLost: moves with the store; but its device may be what has failed
//   the witness: a block elsewhere on this host
//
// Invariant: origin writes pass without copies only when one of the two is durable; if none is, they fail.
// open() looks at both, squashes what it finds, and forgets the record only when the squash is durable.
// (LossTest, StoreErrorTest, UnrecordedLossTest)
//
// May call: State, Room (the flag only), Checkpoint (write_superblock() only), and waits for Commit.
#pragma once

#include "store/checkpoint.h"
#include "store/commit.h"

namespace snapstore {

class Loss {
public:
    Loss(Context& ctx, State& state, Room& room, Checkpoint& checkpoint, Commit& commit) noexcept
        : ctx_(ctx), state_(state), room_(room), checkpoint_(checkpoint), commit_(commit)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    // ok: the snapshots are given up, durably. Once for all.
    Task<Result<void>> give_up();
    bool given_up() const noexcept { return stage_ == Stage::recorded; }
    bool recording() const noexcept { return stage_ == Stage::recording; }
    WaitQueue::Waiter recording_ended() noexcept { return recording_ended_.wait(); } // no longer recording

    // The next life: after the replay, before anything is written or answered.
    Task<Result<void>> find(OpenReport& report);
    Task<Result<void>> forget();

private:
    enum class Stage : std::uint8_t { none, recording, recorded, refused };

    bool pinned() const noexcept;
    Task<void> record();
    Task<IoStatus> mark_superblock();
    Task<IoStatus> write_witness(bool lost);

    Context& ctx_;
    State& state_;
    Room& room_;
    Checkpoint& checkpoint_;
    Commit& commit_;
    Stage stage_ = Stage::none;
    WaitQueue recording_ended_;
    bool witness_written_ = false; // at open(): it holds a record
    AlignedBuffer block_{kBlockSize.value};
};

} // namespace snapstore
