// SPDX-License-Identifier: GPL-2.0
// A store's snapshots: taken, looked up, read, written, compared, deleted.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "snapstore/store_types.h"

namespace snapstore {

class StoreImpl;

class StoreSnapshots {
public:
    // ---- changes: durable when they complete ----

    // Closes the current epoch. The caller has drained all origin writes and holds all clients (epoch barrier).
    Task<Result<SnapshotInfo>> create(const CreateOptions& options);
    // The space is swept in the background. Errc::busy while use_count > 0.
    Task<Result<void>> remove(SnapshotId id);
    Task<Result<void>> set_priority(SnapshotId id, std::int8_t priority);
    // Returns the new count; Errc::invalid if it would be negative.
    Task<Result<std::uint32_t>> add_use(SnapshotId id, std::int64_t difference);

    // ---- content ----

    // Where the chunks of a snapshot are, in at most out.size() extents, merged where adjacent; returns how
    // many. Chunks not covered by the answer are asked for again. For `origin` extents the caller must
    // have locked the range against grants before calling, and unlocks what comes back otherwise.
    // The first answer for a store chunk since open() verifies its CRC32C: Errc::corrupt if it differs (I7).
    Task<Result<std::size_t>> read(SnapshotId id, ChunkRange range, std::span<Extent> out);
    // Gives the chunks private, writable places in the store, copying their present content; durable when
    // it completes. Extents of kind store only.
    Task<Result<std::size_t>> write(SnapshotId id, ChunkRange range, std::span<Extent> out);

    // Which chunks may differ between the snapshot `from` and a newer one, or the origin (`to` none): each
    // that was copied out between the two, or that was written to in one of them. Every chunk that differs is
    // among them; one that was overwritten with what it held is, too. So are all that the older one does not
    // have, or not whole, because the origin has grown since; and none that the newer one does not have.
    //
    // Found from chunk `start` on, in order, in `out`: ranges of chunks, merged where adjacent within one
    // call. A call does a bounded amount of work (kDeltaNodes nodes of the tree) and no I/O, allocates
    // nothing, and always gets on; go on at `next` until it is complete. `from` is older than `to`, and `out`
    // is not empty: else Errc::invalid. not_found, squashed: of either.
    //
    // Between two calls anything may happen. The parts make one right delta as long as both snapshots
    // live: hold them (add_use()). The origin is a moving target: each part is right for the
    // moment when it was asked for.
    static constexpr std::uint64_t kDeltaNodes = 512;
    Result<DeltaPart> delta(SnapshotId from, std::optional<SnapshotId> to, Chunk start,
                            std::span<ChunkRange> out) noexcept;

    // ---- queries, no I/O ----

    std::vector<SnapshotInfo> list() const; // by epoch; includes squashed ones, not deleting ones
    std::optional<SnapshotInfo> find(SnapshotId id) const;
    std::optional<SnapshotState> state_of(SnapshotId id) const noexcept; // does not allocate
    SnapshotId next_id() const noexcept;
    std::vector<LostChunk> lost_chunks() const; // the first 1024 of info().lost_chunks

private:
    friend class Store;
    explicit StoreSnapshots(StoreImpl& impl) noexcept : impl_(impl) {}
    StoreImpl& impl_;
};

} // namespace snapstore
