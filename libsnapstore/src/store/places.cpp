// SPDX-License-Identifier: GPL-2.0
#include "store/places.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

namespace snapstore {

void Places::reset(std::uint64_t places)
{
    constexpr std::size_t kMostBad = 256;
    units_ = Allocator(places);
    verified_ = Bitmap(places);
    bad_.reserve(kMostBad);
}

// More places at the end.
void Places::grow(std::uint64_t places)
{
    units_.grow(places);
    verified_.grow(std::max(places, verified_.words().size() * 64)); // a shrink leaves it as it is
}

std::uint64_t Places::leaked(std::uint64_t named) const noexcept
{
    return units_.used() - std::min(units_.used(), named + uncommitted_ + bad_.size());
}

Places::Run Places::allocate(std::uint64_t want) noexcept
{
    const Allocator::Run run = units_.allocate(want);
    uncommitted_ += run.count;
    return {StoreChunk{run.first}, run.count};
}

void Places::give_back(const Run& run) noexcept
{
    for (std::uint64_t i = 0; i < run.count; ++i) {
        const StoreChunk place = run.first + StoreChunk{i};
        if (!is_bad(place)) {
            free_now(place);
            committed();
        }
    }
}

bool Places::is_bad(StoreChunk place) const noexcept
{
    return std::find(bad_.begin(), bad_.end(), place) != bad_.end();
}

// The place is allocated, and stays so. The next one that is allocated is far away: where one sector is bad,
// its neighbours often are.
void Places::note_bad(StoreChunk place) noexcept
{
    if (bad_.size() == bad_.capacity()) {
        ctx_.fail_store("cannot write to the snapshot store, in too many places");
        return;
    }
    bad_.push_back(place);
    committed();
    units_.look_from((place.value + units_.size() / 8 * 3) % units_.size());
    std::array<char, 160> text{};
    const int length = std::snprintf(text.data(), text.size(),
                                     "the snapshot store cannot be written at byte %" PRIu64
                                     ": that place is not used any more",
                                     ctx_.store_offset(place).value);
    ctx_.observer.log(Severity::error, {text.data(), static_cast<std::size_t>(std::max(length, 0))});
}

// A store that is being made smaller takes its bad places with it.
void Places::forget_bad_from(StoreChunk end) noexcept
{
    std::erase_if(bad_, [&](StoreChunk place) {
        if (place >= end) {
            free_now(place);
        }
        return place >= end;
    });
}

} // namespace snapstore
