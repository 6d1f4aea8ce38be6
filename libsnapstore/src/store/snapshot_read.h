// SPDX-License-Identifier: GPL-2.0
// Where the chunks of a snapshot are. The first time that a store chunk is handed out, its checksum is
// compared; what this process wrote and private chunks (clients write to these) are exempt.
//
// Invariant: no shared place is told before its content was compared, or written by this process (I7).
// (StoreTest.DamagedCopyIsNeverServed)
//
// May call: State, Places, Gate, ChunkIo. Allocates nothing.
#pragma once

#include "store/chunk_io.h"
#include "store/gate.h"
#include "store/places.h"
#include "store/state.h"

namespace snapstore {

class SnapshotRead {
public:
    SnapshotRead(Context& ctx, State& state, Places& places, Gate& gate, ChunkIo& io) noexcept
        : ctx_(ctx), state_(state), places_(places), gate_(gate), io_(io)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<std::size_t>> read(SnapshotId id, ChunkRange range, std::span<Extent> out);
    // Fills `out`; says how many chunks that covers, none from a lost one on, and whether some of them must
    // be verified first.
    std::size_t build_extents(const Snapshot& snapshot, ChunkRange range, std::span<Extent> out,
                              std::uint32_t& covered_chunks, bool& unverified) const noexcept;

private:
    Task<Result<void>> verify_run(SnapshotId id, ChunkRange range, std::uint32_t& next);

    Context& ctx_;
    State& state_;
    Places& places_;
    Gate& gate_;
    ChunkIo& io_;
};

} // namespace snapstore
