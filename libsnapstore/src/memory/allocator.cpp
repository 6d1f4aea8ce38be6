// SPDX-License-Identifier: GPL-2.0
#include "memory/allocator.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "memory/assertion.h"

namespace snapstore {

namespace {
constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

// The first zero bit at or after `from` and before `to`; `to` if there is none.
std::uint64_t first_zero(const Bitmap& map, std::uint64_t from, std::uint64_t to) noexcept
{
    while (from < to) {
        const std::uint64_t word = ~map.words()[from >> 6] >> (from & 63);
        if (word != 0) {
            return std::min(to, from + static_cast<std::uint64_t>(std::countr_zero(word)));
        }
        from = (from | 63) + 1;
    }
    return to;
}
} // namespace

Allocator::Allocator(std::uint64_t units)
    : units_(units), limit_(units), free_(units), taken_(units), full_((units + 63) / 64),
      pending_map_(units), frozen_map_(units)
{
    if (units % 64 != 0) { // what lies beyond the end is never free
        taken_.words().back() = kAllOnes << (units % 64);
    }
}

void Allocator::grow(std::uint64_t units)
{
    SNAPSTORE_ASSERT(units >= units_ && limit_ == units_);
    const std::uint64_t old = units_;
    for (Bitmap* map : {&taken_, &pending_map_, &frozen_map_}) {
        map->grow(units);
    }
    full_.grow((units + 63) / 64);
    units_ = units;
    limit_ = units;
    free_ += units - old;
    if (old % 64 != 0) {
        taken_.words()[old >> 6] &= ~(kAllOnes << (old % 64));
        full_.clear(old >> 6);
    }
    if (units % 64 != 0) {
        taken_.words().back() |= kAllOnes << (units % 64);
        if (taken_.words().back() == kAllOnes) {
            full_.set(units >> 6);
        }
    }
}

void Allocator::limit_to(std::uint64_t limit) noexcept
{
    SNAPSTORE_ASSERT(limit <= units_);
    free_ += beyond_;
    limit_ = limit;
    beyond_ = (units_ - limit) - taken_from(limit);
    free_ -= beyond_;
}

// Of the units from `first` on: those used, pending or frozen.
std::uint64_t Allocator::taken_from(std::uint64_t first) const noexcept
{
    std::uint64_t taken = 0;
    for (std::uint64_t at = first; at < units_; at = (at | 63) + 1) {
        const std::uint64_t word = taken_.words()[at >> 6] >> (at & 63);
        const std::uint64_t there = std::min(units_ - at, 64 - (at & 63));
        taken += static_cast<std::uint64_t>(
            std::popcount(there == 64 ? word : word & ((std::uint64_t{1} << there) - 1)));
    }
    return taken;
}

std::uint64_t Allocator::used_from(std::uint64_t first) const noexcept
{
    std::uint64_t used = taken_from(first);
    for (std::uint64_t at = first; at < units_; at = (at | 63) + 1) {
        const std::uint64_t i = at >> 6;
        const std::uint64_t freed = (pending_map_.words()[i] | frozen_map_.words()[i]) >> (at & 63);
        used -= static_cast<std::uint64_t>(std::popcount(freed));
    }
    return used;
}

void Allocator::cut_at_limit() noexcept
{
    SNAPSTORE_ASSERT(taken_from(limit_) == 0);
    units_ = limit_;
    beyond_ = 0;
    cursor_ = cursor_ < units_ ? cursor_ : 0;
    for (Bitmap* map : {&taken_, &pending_map_, &frozen_map_}) {
        map->cut(units_);
    }
    full_.cut((units_ + 63) / 64);
    if (units_ % 64 != 0) { // what lies beyond the end is never free
        taken_.words().back() |= kAllOnes << (units_ % 64);
        if (taken_.words().back() == kAllOnes) {
            full_.set(units_ >> 6);
        }
    }
}

std::uint64_t Allocator::find_free(std::uint64_t from, std::uint64_t to) const noexcept
{
    if (from >= to) {
        return to;
    }
    const std::uint64_t end_of_word = std::min(to, (from | 63) + 1);
    if (const std::uint64_t unit = first_zero(taken_, from, end_of_word); unit < end_of_word) {
        return unit;
    }
    const std::uint64_t words = (to + 63) / 64;
    const std::uint64_t word = first_zero(full_, end_of_word >> 6, words);
    return word >= words ? to : first_zero(taken_, std::max(from, word << 6), to);
}

Allocator::Run Allocator::allocate(std::uint64_t want) noexcept
{
    if (free_ == 0 || want == 0) {
        return {};
    }
    std::uint64_t first = find_free(cursor_, limit_);
    if (first == limit_) {
        first = find_free(0, limit_);
    }
    SNAPSTORE_ASSERT(first < limit_);
    const std::uint64_t limit = std::min(limit_, first + want);
    std::uint64_t end = first;
    while (end < limit && !taken_.test(end)) {
        taken_.set(end);
        if (taken_.words()[end >> 6] == kAllOnes) {
            full_.set(end >> 6);
        }
        ++end;
    }
    free_ -= end - first;
    cursor_ = end == limit_ ? 0 : end;
    return {first, end - first};
}

bool Allocator::mark_used(std::uint64_t unit) noexcept
{
    if (unit >= units_ || taken_.test(unit)) {
        return false;
    }
    taken_.set(unit);
    if (taken_.words()[unit >> 6] == kAllOnes) {
        full_.set(unit >> 6);
    }
    --free_;
    return true;
}

void Allocator::release(std::uint64_t unit) noexcept
{
    taken_.clear(unit);
    full_.clear(unit >> 6);
    ++(unit < limit_ ? free_ : beyond_);
}

void Allocator::free_now(std::uint64_t unit) noexcept
{
    SNAPSTORE_ASSERT(is_used(unit));
    release(unit);
}

void Allocator::free_run_now(Run run) noexcept
{
    for (std::uint64_t i = 0; i < run.count; ++i) {
        free_now(run.first + i);
    }
}

void Allocator::free_later(std::uint64_t unit) noexcept
{
    SNAPSTORE_ASSERT(is_used(unit));
    pending_map_.set(unit);
    ++pending_;
}

void Allocator::freeze() noexcept
{
    SNAPSTORE_ASSERT(frozen_ == 0);
    if (pending_ != 0) {
        std::swap(pending_map_, frozen_map_);
        frozen_ = pending_;
        pending_ = 0;
    }
}

std::uint64_t Allocator::thaw() noexcept
{
    const std::uint64_t thawed = frozen_;
    if (frozen_ == 0) {
        return 0;
    }
    const std::uint64_t limit = limit_;
    limit_to(units_); // everything counts as free, until it is counted anew
    auto& frozen = frozen_map_.words();
    for (std::uint64_t i = 0; i < frozen.size(); ++i) {
        if (frozen[i] != 0) {
            taken_.words()[i] &= ~frozen[i];
            full_.clear(i);
            frozen[i] = 0;
        }
    }
    free_ += frozen_;
    frozen_ = 0;
    limit_to(limit);
    return thawed;
}

bool Allocator::is_pending(std::uint64_t unit) const noexcept
{
    return pending_map_.test(unit) || frozen_map_.test(unit);
}

bool Allocator::is_used(std::uint64_t unit) const noexcept
{
    return unit < units_ && taken_.test(unit) && !is_pending(unit);
}

} // namespace snapstore
