// SPDX-License-Identifier: GPL-2.0
// The data area becomes shorter. What lies beyond the new end is moved below it, then the length changes.
//
//   limit ──► move shared chunks ──► for each snapshot written to: hold its writers, move, checkpoint, let go
//               ▲  └─ again, as long as anything beyond the end is in use ─┘
//             ──► clients forget places ──► checkpoint with the new length ──► store device's superblock ──►
//             cut
//
// A chunk is moved like this: read, compared with its checksum (private ones, in which clients write, have
// none that holds), written to a free place below the end; then its entry in the tree changes, in memory, and
// the old place is freed like one that was swept: it can be used again after the next checkpoint, and beyond
// the end not before the shrink has been given up.
//
// There is no journal record of a move, because none is needed: old and new place hold the same, and the old
// one stays as it is until a checkpoint that names the new one is durable. So a store that shrinks, or has
// shrunk, looks like any other, and every version can open it.
//
// Crash cases.
//   Before a checkpoint: the tree on disk, and the records that replay adds to it, name the old place, which
//   is intact; the new one is free. After it: the other way round. The checkpoint flushes the store's data
//   before it writes the superblock, as it does for no other's sake.
//   A private chunk: as long as the checkpoint that names its new place is not durable, nobody writes in it.
//   Otherwise the old place would come back with the crash, without what was written since.
//   Before the superblock with the new length is durable: the old length holds. After it: nothing names a
//   place beyond the end, neither the tree nor a record, since replay begins at that checkpoint, and no
//   record was on its way. With a metadata device the store device's own superblocks follow; open() takes
//   more chunks there than it knows.
//
// Invariants:
//   No place beyond the new end is given out from the beginning on (AllocatorTest.NothingBeyondTheLimit).
//   No client writes in a private chunk while it is moved, nor before the move is durable
//   (ShrinkServiceTest.WritersAreHeldWhileTheirChunksMove).
//   A place is cut off or used again only when no client believes in it any more
//   (ShrinkServiceTest.ReadersForgetOldPlaces). A shrink never squashes. If origin writes need the room that
//   it has taken away, it is given up (ShrinkTest.GivesWayToWrites).
//
// May call: State, Places, Room, Gate, Checkpoint, Commit (asks only), ChunkIo.
#pragma once

#include "store/checkpoint.h"
#include "store/chunk_io.h"
#include "store/commit.h"
#include "store/gate.h"

namespace snapstore {

class StoreShrink {
public:
    StoreShrink(Context& ctx, State& state, Places& places, Room& room, Gate& gate, Checkpoint& checkpoint,
                Commit& commit, ChunkIo& io) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room), gate_(gate), checkpoint_(checkpoint),
          commit_(commit), io_(io)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    Task<Result<void>> run(Bytes size, PlaceUsers& users);

private:
    static constexpr std::size_t kMoveBatch = 16;

    Task<Result<void>> empty_tail(PlaceUsers& users);
    Task<Result<void>> move_shared(std::vector<Entry>& written);
    Task<Result<void>> move_private(std::span<const Entry> written, PlaceUsers& users);
    Task<Result<void>> move_batch(std::span<const Entry> batch);
    Task<Result<void>> read_moving(std::span<const Entry> entries, const BufferPool::Lease& lease);
    Task<Result<void>> write_moving(std::span<const Entry> entries, const BufferPool::Lease& lease);
    void name_places(std::span<const Entry> entries, std::span<const StoreChunk> places);
    Task<Result<void>> make_move_room(std::uint64_t places);
    bool unchanged(const Entry& entry) const noexcept;
    Task<Result<void>> cut_tail();

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
    Gate& gate_;
    Checkpoint& checkpoint_;
    Commit& commit_;
    ChunkIo& io_;
};

} // namespace snapstore
