// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/read_locks.h"

#include <algorithm>
#include <cassert>

namespace ddsnap {

using snapstore::Chunk;
using snapstore::ChunkRange;

void ReadLocks::link(ReadLock& lock, std::size_t which, std::uint64_t block) noexcept
{
    ReadLock::Link& link = lock.links_[which];
    ReadLock::Link*& head = buckets_[block % kBuckets];
    link = {&lock, head, &head};
    if (head != nullptr) {
        head->back = &link.next;
    }
    head = &link;
}

void ReadLocks::lock(ReadLock& lock, ChunkRange range) noexcept
{
    assert(!lock.locked() && range.count >= 1 && range.count <= DDSNAP_MAX_RANGE);
    lock.range_ = range;
    lock.chunks_.reset();
    for (std::size_t i = 0; i < range.count; ++i) {
        lock.chunks_.set(i);
    }
    const std::uint64_t first = block_of(range.first);
    const std::uint64_t last = block_of(Chunk{range.end().value - 1});
    link(lock, 0, first);
    if (last != first) {
        link(lock, 1, last);
    }
    ++count_;
}

void ReadLocks::unlock(ReadLock& lock, ChunkRange part) noexcept
{
    const std::uint64_t from = std::max(part.first.value, lock.range_.first.value);
    const std::uint64_t to = std::min(part.end().value, lock.range_.end().value);
    for (std::uint64_t c = from; c < to; ++c) {
        lock.chunks_.reset(c - lock.range_.first.value);
    }
    if (lock.locked() && lock.chunks_.none()) {
        unlock(lock);
    }
}

void ReadLocks::unlock(ReadLock& lock) noexcept
{
    if (!lock.locked()) {
        return;
    }
    for (ReadLock::Link& link : lock.links_) {
        if (link.lock == nullptr) {
            continue;
        }
        *link.back = link.next;
        if (link.next != nullptr) {
            link.next->back = link.back;
        }
        link = {};
    }
    lock.range_ = {};
    --count_;
}

bool ReadLocks::overlaps(ChunkRange range) const noexcept
{
    if (count_ == 0 || range.count == 0) {
        return false;
    }
    const std::uint64_t last = block_of(Chunk{range.end().value - 1});
    for (std::uint64_t block = block_of(range.first); block <= last; ++block) {
        for (const ReadLock::Link* link = buckets_[block % kBuckets]; link != nullptr; link = link->next) {
            const ReadLock& lock = *link->lock;
            const std::uint64_t from = std::max(range.first.value, lock.range_.first.value);
            const std::uint64_t to = std::min(range.end().value, lock.range_.end().value);
            for (std::uint64_t c = from; c < to; ++c) {
                if (lock.chunks_.test(c - lock.range_.first.value)) {
                    return true;
                }
            }
        }
    }
    return false;
}

bool ReadLocks::any_from(Chunk first) const noexcept
{
    for (const ReadLock::Link* link : buckets_) {
        for (; link != nullptr; link = link->next) {
            const ReadLock& lock = *link->lock;
            for (std::uint32_t i = 0; i < lock.range_.count; ++i) {
                if (lock.range_.first.value + i >= first.value && lock.chunks_.test(i)) {
                    return true;
                }
            }
        }
    }
    return false;
}

} // namespace ddsnap
