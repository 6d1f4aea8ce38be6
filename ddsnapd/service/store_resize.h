// SPDX-License-Identifier: GPL-2.0
// How much of the store's device, and of the metadata device, is used. The store does the work; what is left,
// when the store's becomes smaller, is to keep clients away from places of which they have been told.
//
// No message says "forget that": sessions do. I/O on an extent that ends when its session is over is asked
// for and done again (docs/protocol.md), and a session begins without extents.
//
// Invariants:
//   While a snapshot's private chunks are moved no client has a session in which it may write to it, and none
//   still writes from an earlier one: a HELLO that says DRAINED came from the client that is recorded.
//   It is answered when the move is durable (ShrinkServiceTest.WritersAreHeldWhileTheirChunksMove).
//   A client that does not come back, or cannot say that its writes have ended, is not waited for
//   for ever: the shrink is refused (ShrinkServiceTest.AWriterOutOfReachIsNamed).
//   When the store gives old places up, every session that may know of them is over
//   (ShrinkServiceTest.ReadersForgetOldPlaces).
//
// May call: Common, Attachments. The store calls it as its PlaceUsers.
#pragma once

#include <optional>

#include "ddsnapd/service/attachments.h"
#include "ddsnapd/service/service_error.h"

namespace ddsnap {

class StoreResize final : private snapstore::PlaceUsers {
public:
    StoreResize(Common& common, Attachments& attachments) noexcept : c_(common), attachments_(attachments) {}
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    // As VolumeService::resize_store() and resize_meta().
    snapstore::Task<ServiceResult<void>> resize(snapstore::Bytes size);
    snapstore::Task<ServiceResult<void>> resize_meta(snapstore::Bytes size);
    void on_tick();
    bool shrinking() const noexcept { return shrinking_; }
    bool held_back(const Session& s) const noexcept; // is not to be welcomed now

private:
    snapstore::Task<snapstore::Result<void>> hold_writers(snapstore::SnapshotId id) override;
    void release_writers(snapstore::SnapshotId id) noexcept override;
    void revoke_places() noexcept override;
    std::optional<ServiceError> writes_on(snapstore::SnapshotId id) const;
    void end_writers(snapstore::SnapshotId id);
    ServiceError explain(const snapstore::Error& error) const;

    Common& c_;
    Attachments& attachments_;
    bool shrinking_ = false;
    std::optional<snapstore::SnapshotId> moving_; // its private chunks are: writers are not welcomed
    std::optional<ServiceError> error_;           // why writers could not be held
};

} // namespace ddsnap
