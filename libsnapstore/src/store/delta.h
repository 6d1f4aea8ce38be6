// SPDX-License-Identifier: GPL-2.0
// Which chunks differ between two snapshots; delta.cpp proves that none is missing. See StoreSnapshots::delta().
//
// May call: State. Allocates nothing, and changes nothing but a counter.
#pragma once

#include "store/state.h"

namespace snapstore {

Result<DeltaPart> find_delta(Context& ctx, const State& state, SnapshotId from, std::optional<SnapshotId> to,
                             Chunk start, std::span<ChunkRange> out) noexcept;

} // namespace snapstore
