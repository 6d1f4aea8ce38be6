// SPDX-License-Identifier: GPL-2.0
// Memory for chunks being copied: one aligned piece, handed out in runs of chunks.
#pragma once

#include <algorithm>
#include <utility>

#include "memory/aligned_buffer.h"
#include "memory/allocator.h"
#include "snapstore/task.h"

namespace snapstore {

class BufferPool {
public:
    // A run of chunk buffers; gives them back, and wakes who waits for some, when it goes.
    class Lease {
    public:
        Lease() = default;
        Lease(BufferPool& pool, Allocator::Run run) noexcept : pool_(&pool), run_(run) {}
        Lease(Lease&& o) noexcept : pool_(std::exchange(o.pool_, nullptr)), run_(o.run_) {}
        Lease& operator=(Lease&& o) noexcept
        {
            release();
            pool_ = std::exchange(o.pool_, nullptr);
            run_ = o.run_;
            return *this;
        }
        ~Lease() { release(); }

        explicit operator bool() const noexcept { return pool_ != nullptr; }
        std::uint64_t chunks() const noexcept { return run_.count; }
        std::span<std::byte> span(std::uint64_t first, std::uint64_t count) const noexcept
        {
            return pool_->memory_.span((run_.first + first) * pool_->chunk_, count * pool_->chunk_);
        }
        void release() noexcept
        {
            if (pool_ != nullptr) {
                std::exchange(pool_, nullptr)->give_back(run_);
            }
        }

    private:
        BufferPool* pool_ = nullptr;
        Allocator::Run run_;
    };

    // At most `want` chunks; an empty lease if nothing is free: then await waiters().wait() and try again.
    Lease try_acquire(std::uint64_t want) noexcept
    {
        const Allocator::Run run = units_.allocate(want);
        return run.count == 0 ? Lease{} : Lease{*this, run};
    }
    WaitQueue& waiters() noexcept { return waiters_; }

    void reset(std::uint64_t bytes, std::uint64_t chunk)
    {
        memory_ = AlignedBuffer(std::max(bytes, chunk));
        units_ = Allocator(memory_.size() / chunk);
        chunk_ = chunk;
    }

private:
    void give_back(Allocator::Run run) noexcept
    {
        units_.free_run_now(run);
        if (waking_) {
            return; // the loop below is further up the stack
        }
        waking_ = true;
        while (units_.free() > 0 && !waiters_.empty()) {
            waiters_.wake_one();
        }
        waking_ = false;
    }

    AlignedBuffer memory_;
    Allocator units_;
    std::uint64_t chunk_ = 1;
    WaitQueue waiters_;
    bool waking_ = false;
};

} // namespace snapstore
