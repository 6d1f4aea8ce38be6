// SPDX-License-Identifier: GPL-2.0
// Replay: what the journal holds beyond the checkpoint. docs/design.md explains how the end is found.
//
// Invariant: all that was acknowledged is applied, or open() fails: what is cut off was not (I4).
// (JournalEndTest, StoreModelTest)
//
// May call: State, Room, Applier.
#pragma once

#include "store/apply.h"
#include "store/room.h"

namespace snapstore {

class Replay {
public:
    Replay(Context& ctx, State& state, Room& room, Applier& applier) noexcept
        : ctx_(ctx), state_(state), room_(room), applier_(applier)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<void>> run(OpenReport& report);

private:
    struct Ring;

    Task<Result<void>> read_ring(Ring& ring);
    Task<Result<void>> read_ring_blocks(Ring& ring, std::uint64_t first, std::uint64_t count);
    Result<JournalHeader> header_in(const Ring& ring, std::uint64_t index) const;
    Result<JournalHeader> header_of(const Ring& ring, Sequence sequence) const;
    Result<Sequence> find_journal_end(const Ring& ring, Sequence& durable) const;
    Result<void> find_lost_commits(const Ring& ring, Sequence end) const;
    Result<void> check_unreadable_end(const Ring& ring, Sequence end) const;
    Task<Result<bool>> data_matches(std::span<const std::byte> block, std::size_t used);
    Result<void> replay_block(std::span<const std::byte> block, std::size_t used);

    Context& ctx_;
    State& state_;
    Room& room_;
    Applier& applier_;
};

} // namespace snapstore
