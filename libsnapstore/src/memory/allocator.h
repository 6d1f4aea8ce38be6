// SPDX-License-Identifier: GPL-2.0
// Which units (store chunks, metadata blocks, pieces of a buffer) are free: a bitmap, next-fit.
//
// States of a unit: free → used (allocate) → pending (free_later) → frozen (freeze) → free (thaw).
//
// Invariant: a unit freed with free_later() is handed out again only after a freeze() that came later and
// the thaw() that belongs to it, that is, when a checkpoint that no longer names it is durable.
// (AllocatorTest.PendingIsNotReused)
//
// Invariant: while a limit is set no unit from it on is handed out, nor counted as free.
// (AllocatorTest.NothingBeyondTheLimit)
#pragma once

#include <cstdint>
#include <vector>

namespace snapstore {

class Bitmap {
public:
    Bitmap() = default;
    explicit Bitmap(std::uint64_t bits) : words_((bits + 63) / 64) {}

    bool test(std::uint64_t bit) const noexcept { return (words_[bit >> 6] >> (bit & 63) & 1) != 0; }
    void set(std::uint64_t bit) noexcept { words_[bit >> 6] |= mask(bit); }
    void clear(std::uint64_t bit) noexcept { words_[bit >> 6] &= ~mask(bit); }
    void grow(std::uint64_t bits) { words_.resize((bits + 63) / 64); }         // new ones are zero
    void cut(std::uint64_t bits) noexcept { words_.resize((bits + 63) / 64); } // to fewer: does not allocate
    std::vector<std::uint64_t>& words() noexcept { return words_; }
    const std::vector<std::uint64_t>& words() const noexcept { return words_; }

private:
    static std::uint64_t mask(std::uint64_t bit) noexcept { return std::uint64_t{1} << (bit & 63); }
    std::vector<std::uint64_t> words_;
};

class Allocator {
public:
    struct Run {
        std::uint64_t first = 0;
        std::uint64_t count = 0; // 0 = nothing free
    };

    Allocator() = default;
    explicit Allocator(std::uint64_t units);

    // Adds free units at the end.
    void grow(std::uint64_t units);
    // Hands out only units below `limit` from here on; size() sets it free again.
    void limit_to(std::uint64_t limit) noexcept;
    std::uint64_t used_from(std::uint64_t first) const noexcept;                        // used, not pending
    bool any_from(std::uint64_t first) const noexcept { return taken_from(first) > 0; } // used or pending
    // Takes what is from the limit on away: nothing of it is used or pending.
    void cut_at_limit() noexcept;

    // The next free run after the last one handed out, at most `want` long; shorter if what follows is used.
    Run allocate(std::uint64_t want) noexcept;
    // The next run that is handed out is the first free one from there on.
    void look_from(std::uint64_t unit) noexcept { cursor_ = unit < limit_ ? unit : 0; }
    // For open(): false if it is taken already or out of range.
    bool mark_used(std::uint64_t unit) noexcept;

    void free_now(std::uint64_t unit) noexcept;
    void free_run_now(Run run) noexcept;
    void free_later(std::uint64_t unit) noexcept;
    void freeze() noexcept;
    // Returns how many units became free.
    std::uint64_t thaw() noexcept;

    std::uint64_t size() const noexcept { return units_; }
    std::uint64_t free() const noexcept { return free_; }
    std::uint64_t pending() const noexcept { return pending_ + frozen_; } // freed, not usable yet
    bool is_pending(std::uint64_t unit) const noexcept;
    std::uint64_t used() const noexcept { return units_ - free_ - beyond_ - pending(); }
    bool is_used(std::uint64_t unit) const noexcept; // used, not pending

private:
    void release(std::uint64_t unit) noexcept;
    std::uint64_t find_free(std::uint64_t from, std::uint64_t to) const noexcept;
    std::uint64_t taken_from(std::uint64_t first) const noexcept;

    std::uint64_t units_ = 0;
    std::uint64_t limit_ = 0;  // <= units_
    std::uint64_t free_ = 0;   // below the limit
    std::uint64_t beyond_ = 0; // free, but from the limit on
    std::uint64_t cursor_ = 0;
    std::uint64_t pending_ = 0;
    std::uint64_t frozen_ = 0;
    Bitmap taken_; // used or pending or frozen, or beyond the end
    Bitmap full_;  // one bit per word of taken_: all ones
    Bitmap pending_map_;
    Bitmap frozen_map_;
};

} // namespace snapstore
