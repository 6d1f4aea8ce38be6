// SPDX-License-Identifier: GPL-2.0
// Buffers of one size, used again: fresh memory for every record would cost more time, in page faults, than
// hashing it.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tools/stream/aligned_memory.h"

namespace zumastor {

class BufferPool {
public:
    explicit BufferPool(std::size_t size) : idle_(std::make_shared<Idle>(size)) {}

    // One that nobody uses, or a new one. It comes back when its last reference goes, on any thread; the pool
    // may be gone by then.
    std::shared_ptr<AlignedMemory> get() const
    {
        auto memory = idle_->take();
        AlignedMemory* const raw = memory.get();
        return {raw, [idle = idle_, held = std::move(memory)](AlignedMemory*) mutable noexcept {
                    idle->put(std::move(held));
                }};
    }

private:
    using Owned = std::shared_ptr<AlignedMemory>;
    class Idle {
    public:
        explicit Idle(std::size_t size) : size_(size) {}
        Owned take()
        {
            {
                const std::lock_guard lock(mutex_);
                if (!buffers_.empty()) {
                    Owned memory = std::move(buffers_.back());
                    buffers_.pop_back();
                    return memory;
                }
            }
            auto memory = std::make_shared<AlignedMemory>(size_);
            const std::lock_guard lock(mutex_);
            buffers_.reserve(++made_); // so that put() never has to allocate
            return memory;
        }
        void put(Owned memory) noexcept
        {
            const std::lock_guard lock(mutex_);
            buffers_.push_back(std::move(memory));
        }

    private:
        const std::size_t size_;
        std::mutex mutex_;
        std::size_t made_ = 0;
        std::vector<Owned> buffers_;
    };
    std::shared_ptr<Idle> idle_;
};

} // namespace zumastor
