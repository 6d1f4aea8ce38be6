// SPDX-License-Identifier: GPL-2.0
// WRITE and GRANT: the daemon's part of an origin write. Nothing here allocates.
//
// Invariants:
//   I1  GRANT follows the durable copy-out (SessionTest.GrantFollowsTheCopy).
//   A grant is sent only in the epoch it was asked in; the answer to an older WRITE is dropped: RESUME told
//   the client to ask again (SessionTest.WritesOfAnOldEpochAreDropped).
//   No grant is sent for a chunk that a snapshot reader has locked. It is enough to look after the
//   copy-out: once that is durable the store never again answers "origin" for these chunks
//   (SessionTest.GrantWaitsForReaders). Readers cannot starve a writer: locks that come later are
//   held only while the store looks up.
//
// May call: Common.
#pragma once

#include "ddsnapd/service/common.h"

namespace ddsnap {

class OriginWrites {
public:
    explicit OriginWrites(Common& common);
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    void on_write(Session& s, wire::Bytes message);
    bool copying() const noexcept { return copies_ > 0; } // a WRITE is in the engine
    void measure(); // the origin: when the store is open, and whenever its length has changed

private:
    snapstore::Task<void> serve(Session& s, wire::Request request);
    snapstore::Task<snapstore::Result<void>> copy_out(snapstore::ChunkRange range);
    void grant(Session& s, const wire::Request& request, wire::Status status);
    bool must_wait_for_readers(snapstore::ChunkRange range) const noexcept;
    bool of_this_epoch(const wire::Request& request) const noexcept;

    Common& c_;
    std::uint64_t chunks_ = 0; // of the origin, valid after measure()
    std::uint32_t copies_ = 0; // WRITEs in the engine
};

} // namespace ddsnap
