// SPDX-License-Identifier: GPL-2.0
// The deletion of a snapshot, as far as clients are concerned.
//
// Invariant: while a snapshot is being deleted nobody can open it: what a client would be told of its
// chunks could be freed under it (SessionTest.DeleteIsRefusedWhileOpen).
//
// May call: Common, Attachments.
#pragma once

#include "ddsnapd/service/attachments.h"
#include "ddsnapd/service/service_error.h"

namespace ddsnap {

class Removal {
public:
    Removal(Common& common, Attachments& attachments) noexcept : c_(common), attachments_(attachments) {}
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    // As VolumeService::remove(). Removals take turns.
    snapstore::Task<ServiceResult<void>> remove(snapstore::SnapshotId id, bool force);
    // Is not to be opened.
    bool removes(snapstore::SnapshotId id) const noexcept { return removing_ && removed_ == id; }

private:
    snapstore::Task<ServiceResult<void>> remove_unused(snapstore::SnapshotId id, bool force);

    Common& c_;
    Attachments& attachments_;
    bool removing_ = false;
    snapstore::SnapshotId removed_; // valid while removing_
};

} // namespace ddsnap
