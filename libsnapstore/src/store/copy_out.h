// SPDX-License-Identifier: GPL-2.0
// Origin writes: copying out what a live snapshot shares.
//
// A request looks for chunks that need a copy and that nobody is copying, claims a run of neighbours, reads
// the origin once, writes the store once per piece that is contiguous there, and queues the records. It is
// done when every chunk of its range is covered by the tree, that is, by records that are durable, its own
// or those of others.
//
// Invariant: success is returned only if each chunk of the range has a durable shared exception of the newest
// live snapshot that has this chunk, or a later one; or if no live snapshot has it, which may be because all
// were given up (loss.h). (StoreModelTest)
//
// May call: State, Places, Room, Gate, Commit, Space, Loss, ChunkIo. Allocates nothing.
#pragma once

#include <bitset>

#include "store/chunk_io.h"
#include "store/gate.h"
#include "store/loss.h"
#include "store/space.h"

namespace snapstore {

class CopyOut {
public:
    CopyOut(Context& ctx, State& state, Places& places, Room& room, Gate& gate, Commit& commit, Space& space,
            Loss& loss, ChunkIo& io) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), gate_(gate), commit_(commit), space_(space),
          loss_(loss), io_(io)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    // Needs none of the chunks a copy?
    bool writable(ChunkRange range) const noexcept;
    Task<Result<void>> origin_write(ChunkRange range);
    // The same for a range of at most kMaxRange chunks, admitted by the caller, and without giving up
    // snapshots.
    Task<Result<void>> copy_missing(ChunkRange range);
    // How many of the chunks a live snapshot shares with the origin.
    std::uint64_t shared_from(std::uint64_t first, std::uint64_t end) const noexcept;

private:
    struct Piece {
        std::uint32_t index = 0; // in the run
        std::uint32_t count = 0;
        StoreChunk place;
        bool zero = false;
    };
    static constexpr std::size_t kPieces = 8;
    struct Run {
        ChunkRange range;
        bool busy = false; // some chunk of the request is being copied by another
    };
    struct Cover {
        Epoch newest;
        Chunk end;
    };

    Cover cover(Chunk chunk) const noexcept;
    bool covered(ChunkRange range, std::bitset<kMaxRange>& map) const noexcept;
    Run next_run(ChunkRange range) const noexcept;
    Task<Result<void>> copy_run(ChunkRange range);
    Task<Result<void>> copy_claimed(ChunkRange& range, Epoch newest);
    Task<Result<std::uint32_t>> write_pieces(const BufferPool::Lease& lease, ChunkRange range, Epoch newest,
                                             std::uint32_t done);
    std::size_t plan_pieces(const BufferPool::Lease& lease, std::uint32_t count, std::uint32_t& next,
                            std::span<Piece> pieces);
    Task<bool> write_planned(const BufferPool::Lease& lease, std::span<const Piece> pieces);
    Task<bool> write_singly(const BufferPool::Lease& lease, std::span<const Piece> pieces);
    void queue_copies(const BufferPool::Lease& lease, ChunkRange range, Epoch newest,
                      std::span<const Piece> pieces);
    // What cannot be read: lost_chunks.cpp.
    Task<Result<void>> read_run(ChunkRange& part, const BufferPool::Lease& lease, bool& unreadable);
    Task<bool> origin_answers(Chunk except, std::span<std::byte> scratch);
    void lose_chunk(Chunk chunk, Epoch newest);

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    Gate& gate_;
    Commit& commit_;
    Space& space_;
    Loss& loss_;
    ChunkIo& io_;
};

} // namespace snapstore
