// SPDX-License-Identifier: GPL-2.0
// Changes of the snapshot table and the attachments: one at a time, each one journal record.
//
// Invariant: what is answered is durable and applied, in the order in which the gate let it in; a snapshot's
// origin is flushed before its record is written (I3). (StoreRaceTest, LimitTest, StoreModelTest)
//
// May call: State, Room, Gate, Checkpoint, Commit.
#pragma once

#include "store/checkpoint.h"
#include "store/commit.h"
#include "store/gate.h"

namespace snapstore {

class Snapshots {
public:
    Snapshots(Context& ctx, State& state, Room& room, Gate& gate, Checkpoint& checkpoint,
              Commit& commit) noexcept
        : ctx_(ctx), state_(state), room_(room), gate_(gate), checkpoint_(checkpoint), commit_(commit)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<SnapshotInfo>> create(CreateOptions options);
    Task<Result<void>> remove(SnapshotId id) { return change_state(id, RecordType::remove); }
    // If it is still the one to squash when its turn comes.
    Task<Result<void>> squash(SnapshotId id) { return change_state(id, RecordType::squash); }
    Task<Result<void>> set_priority(SnapshotId id, std::int8_t priority);
    Task<Result<std::uint32_t>> add_use(SnapshotId id, std::int64_t difference);
    Task<Result<void>> attach(Attachment attachment);
    Task<Result<void>> detach(Uuid client);

private:
    Task<Result<void>> make_room();
    Task<Result<void>> change_state(SnapshotId id, RecordType type);

    Context& ctx_;
    State& state_;
    Room& room_;
    Gate& gate_;
    Checkpoint& checkpoint_;
    Commit& commit_;
};

} // namespace snapstore
