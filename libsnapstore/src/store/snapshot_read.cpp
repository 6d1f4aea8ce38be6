// SPDX-License-Identifier: GPL-2.0
#include "store/snapshot_read.h"

#include <algorithm>
#include <array>
#include <optional>

#include "format/crc32c.h"

namespace snapstore {

std::size_t SnapshotRead::build_extents(const Snapshot& snapshot, ChunkRange range, std::span<Extent> out,
                                        std::uint32_t& covered_chunks, bool& unverified) const noexcept
{
    std::size_t used = 0;
    unverified = false;
    for (covered_chunks = 0; covered_chunks < range.count; ++covered_chunks) {
        const Chunk chunk{range.first.value + covered_chunks};
        const auto entry = state_.lookup(snapshot, chunk);
        if (entry && entry->lost()) {
            break;
        }
        Extent extent{chunk, 1, Extent::Kind::origin, Sectors{}};
        if (entry && entry->zero()) {
            extent.kind = Extent::Kind::zero;
        } else if (entry) {
            extent.kind = Extent::Kind::store;
            extent.sector = to_sectors_floor(ctx_.store_offset(entry->store_chunk()));
        }
        Extent* last = used > 0 ? &out[used - 1] : nullptr;
        const std::uint64_t sectors =
            last != nullptr ? last->count * (ctx_.chunk_bytes() / kSectorSize.value) : 0;
        const bool joins =
            last != nullptr && last->kind == extent.kind &&
            (extent.kind != Extent::Kind::store || last->sector + Sectors{sectors} == extent.sector);
        if (joins) {
            ++last->count;
        } else if (used == out.size()) {
            break;
        } else {
            out[used++] = extent;
        }
        if (extent.kind == Extent::Kind::store && !entry->key.is_private()) {
            unverified = unverified || !places_.verified(entry->store_chunk());
        }
    }
    return used;
}

Task<Result<std::size_t>> SnapshotRead::read(SnapshotId id, ChunkRange range, std::span<Extent> out)
{
    for (std::optional<Gate::Admission> admitted;;) {
        const auto snapshot = state_.readable(id);
        if (!snapshot) {
            co_return tl::unexpected(snapshot.error());
        }
        if (auto ok = ctx_.check_range(range, (*snapshot)->info.size); !ok) {
            co_return tl::unexpected(ok.error());
        }
        std::uint32_t chunks_covered = 0;
        bool unverified = false;
        const std::size_t used = build_extents(**snapshot, range, out, chunks_covered, unverified);
        for (const Extent& e : out.first(used)) { // a shrink has copied what lies there: resize.h
            if (e.kind == Extent::Kind::origin && e.first.value + e.count > ctx_.sb.origin_chunks()) {
                co_return fail(Errc::corrupt, "a chunk beyond the end of the origin has no copy",
                               e.first.value * ctx_.chunk_bytes());
            }
        }
        if (chunks_covered == 0) {
            co_return fail(Errc::io_error, kChunkLost, range.first.value * ctx_.chunk_bytes());
        }
        if (!unverified) {
            co_return used;
        }
        while (!admitted && gate_.full()) {
            co_await gate_.admission();
        }
        if (!admitted) {
            admitted.emplace(gate_);
        }
        for (std::uint32_t next = 0; next < chunks_covered;) {
            const auto ok = co_await verify_run(id, ChunkRange{range.first, chunks_covered}, next);
            if (!ok) {
                co_return tl::unexpected(ok.error());
            }
        }
    }
}

// Verifies the next run of neighbouring store chunks, from index `next` of the range on.
Task<Result<void>> SnapshotRead::verify_run(SnapshotId id, ChunkRange range, std::uint32_t& next)
{
    constexpr std::uint32_t kMost = 64;
    // No more than the range needs: the buffers are those that copies for origin writes wait for.
    const std::uint64_t most = std::min<std::uint64_t>(io_.max_run_chunks(), kMost);
    BufferPool::Lease lease = co_await io_.lease_buffer(std::min<std::uint64_t>(most, range.count - next));
    const auto snapshot = state_.readable(id); // may have gone while we waited
    if (!snapshot) {
        co_return tl::unexpected(snapshot.error());
    }
    std::array<std::uint32_t, kMost> crcs{};
    std::uint32_t count = 0;
    StoreChunk first;
    Chunk first_chunk;
    for (; next < range.count; ++next) {
        const Chunk chunk{range.first.value + next};
        const auto entry = state_.lookup(**snapshot, chunk);
        const bool wanted =
            entry && entry->stored() && !entry->key.is_private() && !places_.verified(entry->store_chunk());
        if (count == 0 && !wanted) {
            continue;
        }
        if (!wanted || count == std::min<std::uint64_t>(kMost, lease.chunks()) ||
            (count > 0 && entry->store_chunk() != first + StoreChunk{count})) {
            break;
        }
        first = count == 0 ? entry->store_chunk() : first;
        first_chunk = count == 0 ? chunk : first_chunk;
        crcs[count++] = entry->crc;
    }
    if (count == 0) {
        co_return Result<void>{};
    }
    const auto data = lease.span(0, count);
    const IoStatus status =
        co_await DeviceIo(ctx_.store_device(), IoRequest::Op::read, ctx_.store_offset(first), data);
    const auto still = state_.readable(id); // if not, the chunks may have been reused
    if (!still) {
        co_return tl::unexpected(still.error());
    }
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot read the snapshot store", ctx_.store_offset(first).value);
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (crc32c(lease.span(i, 1)) != crcs[i]) {
            co_return fail(Errc::corrupt, "a copied chunk does not match its checksum",
                           ctx_.store_offset(first + StoreChunk{i}).value);
        }
        places_.set_verified(first + StoreChunk{i});
    }
    co_return Result<void>{};
}

} // namespace snapstore
