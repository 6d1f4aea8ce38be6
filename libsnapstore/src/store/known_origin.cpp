// SPDX-License-Identifier: GPL-2.0
#include "store/known_origin.h"

#include "store/planted_bugs.h"

namespace snapstore {

bool KnownOrigin::whole_in(OriginBlock block, Sectors size) const noexcept
{
    return block.value / ctx_.sb.chunk.blocks() < size.value / ctx_.sb.chunk.sectors();
}

// That snapshot is live, has the chunk, and shares it with the origin.
bool KnownOrigin::unwritten_since(OriginBlock block, Epoch snapshot) const noexcept
{
    const Snapshot* s = state_.table.find(snapshot);
    if (s == nullptr || s->info.state != SnapshotState::normal || !whole_in(block, s->info.size) ||
        !whole_in(block, ctx_.sb.origin.size)) {
        return false;
    }
    const Key key = Key::shared(Chunk{block.value / ctx_.sb.chunk.blocks()}, snapshot);
    const auto e = state_.tree->lower_bound(key);
    return !e || e->key.key != key.key;
}

// What does not count any more goes; what counts is so since the newest snapshot, too.
void KnownOrigin::renew() noexcept
{
    const Epoch newest = state_.table.newest_live();
    for (OriginSample& sample : record.samples) {
        if (sample.epoch == 0) {
            continue;
        }
        const bool unwritten =
            unwritten_since(sample.block, Epoch{sample.epoch}) && unwritten_since(sample.block, newest);
        const bool counts = unwritten || has_bug(PlantedBug::stale_samples);
        sample = counts ? OriginSample{sample.block, newest.value, sample.crc} : OriginSample{};
    }
}

void KnownOrigin::add(const OriginSample& sample) noexcept
{
    OriginSample* free = nullptr;
    for (OriginSample& one : record.samples) {
        if (one.epoch != 0 && one.block == sample.block) {
            return; // chosen twice
        }
        free = one.epoch == 0 ? &one : free;
    }
    if (free != nullptr) {
        *free = sample;
    }
}

bool KnownOrigin::much_better_than_on_disk() const noexcept
{
    std::size_t on_disk = 0;
    for (const OriginSample& sample : ctx_.sb.origin.record.samples) {
        on_disk += sample.epoch != 0 && unwritten_since(sample.block, Epoch{sample.epoch}) ? 1U : 0U;
    }
    return record.count() > on_disk + on_disk / 4;
}

} // namespace snapstore
