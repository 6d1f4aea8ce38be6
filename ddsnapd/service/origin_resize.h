// SPDX-License-Identifier: GPL-2.0
// The length of the origin. The store does the work; what is left is who may still use the end that goes.
//
// Invariants, for a shrink:
//   No origin client is longer than the new length when the store begins, and none is welcomed from then on:
//   the mapped device is made shorter first. (ResizeServiceTest)
//   It is answered only when no snapshot reader has a lock on chunks beyond the new end: what was told
//   `origin` before the copies were durable is read there. (ResizeServiceTest.ShrinkWaitsForReaders)
//
// May call: Common, Attachments, OriginWrites (to tell it the length), Barrier (to keep create() away).
#pragma once

#include <optional>

#include "ddsnapd/service/barrier.h"
#include "ddsnapd/service/service_error.h"

namespace ddsnap {

class OriginResize {
public:
    OriginResize(Common& common, Attachments& attachments, OriginWrites& origin_writes,
                 Barrier& barrier) noexcept
        : c_(common), attachments_(attachments), origin_writes_(origin_writes), barrier_(barrier)
    {}
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    // As VolumeService::resize_origin().
    snapstore::Task<ServiceResult<void>> resize(snapstore::Sectors size);
    // No client may be longer than `size`, which is the origin's.
    snapstore::Sectors limit(snapstore::Sectors size) const noexcept { return new_end_.value_or(size); }

private:
    snapstore::Task<ServiceResult<void>> change(snapstore::Sectors size);
    ServiceResult<void> refuse_longer_clients(snapstore::Sectors size) const;

    Common& c_;
    Attachments& attachments_;
    OriginWrites& origin_writes_;
    Barrier& barrier_;
    std::optional<snapstore::Sectors> new_end_; // of an origin that is being shrunk
};

} // namespace ddsnap
