// SPDX-License-Identifier: GPL-2.0
#include "store/chunk_io.h"

#include <algorithm>
#include <cstring>

namespace snapstore {

std::uint64_t ChunkIo::max_run_chunks() const noexcept
{
    return std::clamp<std::uint64_t>(ctx_.config.max_run.value / ctx_.chunk_bytes(), 1, kMaxRange);
}

Task<BufferPool::Lease> ChunkIo::lease_buffer(std::uint64_t want)
{
    BufferPool::Lease lease = buffers_.try_acquire(want);
    while (!lease) {
        co_await buffers_.waiters().wait();
        lease = buffers_.try_acquire(want);
    }
    co_return std::move(lease);
}

Task<Result<void>> ChunkIo::read_origin(ChunkRange range, std::span<std::byte> to)
{
    const std::uint64_t begin = range.first.value * ctx_.chunk_bytes();
    const std::uint64_t end = to_bytes(ctx_.sb.origin.size).value;
    if (begin >= end) {
        co_return fail(Errc::corrupt, "a chunk beyond the end of the origin has no copy", begin);
    }
    const std::uint64_t wanted = std::min<std::uint64_t>(to.size(), end - begin);
    const std::uint64_t length = (wanted + kBlockSize.value - 1) / kBlockSize.value * kBlockSize.value;
    ++ctx_.counters.origin_reads;
    const IoStatus status =
        co_await DeviceIo(*ctx_.devices.origin, IoRequest::Op::read, Bytes{begin}, to.first(length));
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot read the origin", begin);
    }
    std::memset(to.data() + wanted, 0, to.size() - wanted);
    co_return Result<void>{};
}

} // namespace snapstore
