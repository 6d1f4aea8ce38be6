// SPDX-License-Identifier: GPL-2.0
// SNAP_READ, SNAP_WRITE, UNLOCK: where the chunks of a snapshot are.
//
// Invariants:
//   The range is locked before the store is asked where its chunks are; what the store does not place on the
//   origin is unlocked again (SessionTest.GrantWaitsForReaders).
//   A SNAP_WRITE holds its lock until the store has copied, even if its session ends meanwhile.
//
// May call: Common.
#pragma once

#include <span>

#include "ddsnapd/service/common.h"

namespace ddsnap {

class SnapshotRequests {
public:
    explicit SnapshotRequests(Common& common) noexcept : c_(common) {}
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    void on_request(Session& s, wire::Bytes message); // SNAP_READ or SNAP_WRITE
    void on_unlock(Session& s, std::uint64_t id);

private:
    snapstore::Task<void> serve(Session& s, RequestSlot& slot, wire::Request request);
    void answer(Session& s, std::uint64_t id, wire::Status status,
                std::span<const snapstore::Extent> extents);
    void release(RequestSlot& slot) noexcept;

    Common& c_;
    std::uint32_t in_engine_ = 0;
};

} // namespace ddsnap
