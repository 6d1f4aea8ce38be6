// SPDX-License-Identifier: GPL-2.0
// The chunks that snapshot readers are reading from the origin right now. A grant for such a chunk waits
// until the read has ended.
//
// Fixed memory: the locks live in the sessions' request slots (as many as the session has credits); the
// table only links them, by blocks of DDSNAP_MAX_RANGE chunks, so that a look-up costs what is locked near
// by, not what is locked in all.
//
// Invariant: a chunk is locked before the store is asked where it is, and stays locked until the reader
// says UNLOCK or its session is over, unless the store says that it is not on the origin
// (ReadLocksTest, SessionTest.GrantWaitsForReaders).
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "kernel/ddsnap-protocol.h"
#include "snapstore/types.h"

namespace ddsnap {

// One locked range, with holes. Owned by a request slot, linked into the table while it locks anything.
class ReadLock {
public:
    ReadLock() = default;
    ReadLock(const ReadLock&) = delete;
    ReadLock& operator=(const ReadLock&) = delete;

    bool locked() const noexcept { return range_.count != 0; }
    snapstore::ChunkRange range() const noexcept { return range_; }

private:
    friend class ReadLocks;

    // A range of up to DDSNAP_MAX_RANGE chunks touches two blocks at most.
    struct Link {
        ReadLock* lock = nullptr;
        Link* next = nullptr;
        Link** back = nullptr; // the pointer that points here
    };

    snapstore::ChunkRange range_;
    std::bitset<DDSNAP_MAX_RANGE> chunks_; // of range_: which of them are locked
    std::array<Link, 2> links_;
};

class ReadLocks {
public:
    ReadLocks() = default;
    ReadLocks(const ReadLocks&) = delete;
    ReadLocks& operator=(const ReadLocks&) = delete;

    // Locks the whole range. `lock` must not be locked.
    void lock(ReadLock& lock, snapstore::ChunkRange range) noexcept;
    // Lets go of part of it; of all of it when nothing is left.
    void unlock(ReadLock& lock, snapstore::ChunkRange part) noexcept;
    void unlock(ReadLock& lock) noexcept;
    bool overlaps(snapstore::ChunkRange range) const noexcept;
    bool any_from(snapstore::Chunk first) const noexcept; // looks at all locks
    std::size_t size() const noexcept { return count_; }  // locks linked

private:
    static constexpr std::size_t kBuckets = 1024;
    static std::uint64_t block_of(snapstore::Chunk c) noexcept { return c.value / DDSNAP_MAX_RANGE; }
    void link(ReadLock& lock, std::size_t which, std::uint64_t block) noexcept;

    std::array<ReadLock::Link*, kBuckets> buckets_{};
    std::size_t count_ = 0;
};

} // namespace ddsnap
