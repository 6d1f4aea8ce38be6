// SPDX-License-Identifier: GPL-2.0
// What all who read and write whole chunks need: memory for them, and the origin's content.
//
// Invariant: memory is lent, and comes back when the lease goes; who finds none waits. Allocates nothing once
// reset() has made the pool. (AllocationTest)
//
// May call: Context.
#pragma once

#include "memory/buffer_pool.h"
#include "store/context.h"

namespace snapstore {

inline constexpr const char* kChunkLost =
    "the chunk is lost: the origin could not be read when it was to be copied";

class ChunkIo {
public:
    explicit ChunkIo(Context& ctx) noexcept : ctx_(ctx) {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    void reset() { buffers_.reset(ctx_.config.copy_buffer.value, ctx_.chunk_bytes()); }
    std::uint64_t max_run_chunks() const noexcept; // of one I/O of a copy-out

    Task<BufferPool::Lease> lease_buffer(std::uint64_t want); // of so many chunks at most, one at least
    // What lies beyond the end of the origin is zeros.
    Task<Result<void>> read_origin(ChunkRange range, std::span<std::byte> to);

private:
    Context& ctx_;
    BufferPool buffers_;
};

} // namespace snapstore
