// SPDX-License-Identifier: GPL-2.0
// Verification of a whole store: structure and allocation in memory, every metadata block on disk, and, if
// wanted, the data of every shared exception. Of a store that open() has refused for its damage: what is
// wrong with it.
//
// Invariant: what it reports is wrong, also beside writes, sweeps and checkpoints.
// (StoreRaceTest.CheckBesideCheckpointsFindsNoDamage)
//
// May call: State, Places, Checkpoint, Loader, Replay, ChunkIo.
#pragma once

#include "store/checkpoint.h"
#include "store/chunk_io.h"
#include "store/load.h"
#include "store/replay.h"

namespace snapstore {

class Checker {
public:
    Checker(Context& ctx, State& state, Places& places, Checkpoint& checkpoint, Loader& loader,
            Replay& replay, ChunkIo& io) noexcept
        : ctx_(ctx), state_(state), places_(places), checkpoint_(checkpoint), loader_(loader),
          replay_(replay), io_(io)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    void found_damage() noexcept { damaged_ = true; } // open(): only check() works
    void stop() noexcept { stopped_ = true; }         // ends each check() soon
    Task<Result<CheckReport>> check(bool data);

private:
    Task<void> check_damaged(CheckReport& report);
    Task<Result<void>> check_nodes(CheckReport& report);
    Task<void> check_superblocks(CheckReport& report);
    void check_chunks(CheckReport& report) const;
    Task<Result<void>> check_data(CheckReport& report);

    Context& ctx_;
    State& state_;
    Places& places_;
    Checkpoint& checkpoint_;
    Loader& loader_;
    Replay& replay_;
    ChunkIo& io_;
    bool damaged_ = false;
    bool stopped_ = false;
};

} // namespace snapstore
