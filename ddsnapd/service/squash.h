// SPDX-License-Identifier: GPL-2.0
// What happens when the store has given a snapshot up: INVALID, INVALID_ACK, and when its space is free.
//
// Invariant: the space of a squashed snapshot is reused only when every session has acknowledged INVALID or
// has ended, and every recorded writer has come back and acknowledged or is proven gone
// (SquashTest.SquashedSpaceWaitsForItsClients).
//
// May call: Common, Attachments.
#pragma once

#include <vector>

#include "ddsnapd/service/attachments.h"

namespace ddsnap {

class Squash {
public:
    Squash(Common& common, Attachments& attachments);

    void invalidate(Session& s); // sends INVALID
    void on_invalid_ack(Session& s);
    void on_tick();

    // ---- for the store, see StoreObserver ----
    void squashed(snapstore::SnapshotId id) noexcept;
    snapstore::Release released(snapstore::SnapshotId id) noexcept;
    // Tells the store which snapshots' space it may reuse now; see Events::release_dirty.
    void release();

private:
    bool may_reuse(snapstore::SnapshotId id) const noexcept;
    void end_unresponsive();

    Common& c_;
    Attachments& attachments_;
    std::uint64_t next_probe_ = 0;
    std::uint32_t unacknowledged_ = 0; // INVALIDs, at most; 0: none to look for
    struct Unreleased {
        snapstore::SnapshotId id;
        std::uint64_t since = 0; // of Events::now
        bool told = false;       // in the log, that it is overdue
    };
    std::vector<Unreleased> unreleased_; // squashed, and clients could use their extents
};

} // namespace ddsnap
