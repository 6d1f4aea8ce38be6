// SPDX-License-Identifier: GPL-2.0
#include "store/origin_sampler.h"

#include <algorithm>

#include "format/crc32c.h"
#include "store/io_group.h"

namespace snapstore {

namespace {

constexpr std::uint32_t kTries = 4 * kOriginSamples; // blocks read for each newest snapshot, at most

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
std::uint64_t next_random(std::uint64_t& state) noexcept
{
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

} // namespace

// Where something was written once there is content, and not on a disk that is mostly empty.
std::optional<OriginBlock> OriginSampler::choose() noexcept
{
    const std::uint64_t chunks_there = ctx_.sb.origin.size.value / ctx_.sb.chunk.sectors();
    if (chunks_there == 0) {
        return std::nullopt;
    }
    std::uint64_t chunk = next_random(random_) % chunks_there;
    if (tries_ % 2 == 0) {
        if (const auto e = state_.tree->lower_bound(Key::shared(Chunk{chunk}, Epoch{}))) {
            chunk = e->key.chunk().value;
        }
    }
    const std::uint64_t per_chunk = ctx_.sb.chunk.blocks();
    const OriginBlock block{chunk * per_chunk + next_random(random_) % per_chunk};
    const bool known = std::any_of(origin_.record.samples.begin(), origin_.record.samples.end(),
                                   [&](const OriginSample& s) { return s.epoch != 0 && s.block == block; });
    return known || !origin_.unwritten_since(block, sampled_for_) ? std::nullopt : std::optional(block);
}

// A few blocks at each tick, until there are enough, or it was tried often enough: a few seconds after the
// newest snapshot was taken the origin has its rest. Allocates nothing.
void OriginSampler::step()
{
    if (sampling_ || state_.table.none_live()) {
        return;
    }
    if (sampled_for_ != state_.table.newest_live()) {
        sampled_for_ = state_.table.newest_live();
        tries_ = kTries;
        random_ ^= uuid_prefix(ctx_.sb.uuid) + state_.journal.incarnation + sampled_for_.value;
        origin_.renew();
    }
    if (tries_ == 0) {
        return;
    }
    Blocks wanted{};
    std::size_t count = 0;
    for (std::size_t room = kOriginSamples - origin_.record.count(); tries_ > 0 && count < wanted.size();) {
        tries_ = count == room ? 0 : tries_ - 1;
        if (const auto block = tries_ > 0 ? choose() : std::nullopt) {
            wanted[count++] = *block;
        }
    }
    if (count > 0) {
        sampling_ = true;
        spawn(ctx_.frame_pool, take(wanted, count));
    } else {
        keep();
    }
}

// When there are no more to come: on disk, unless what is there is nearly as good.
void OriginSampler::keep()
{
    if (tries_ == 0 && !ctx_.failed && !ctx_.closing && origin_.much_better_than_on_disk()) {
        origin_.to_be_kept = true;
        checkpoint_.start();
    }
}

// What is all zeros, as much of a new disk is, tells nothing. Only if the block was not written meanwhile,
// and nobody may write it without a copy, is what was read what the snapshot has.
Task<void> OriginSampler::take(Blocks wanted, std::size_t count)
{
    const Epoch newest = sampled_for_;
    IoGroup<kAtOnce> reads;
    for (std::size_t i = 0; i < count; ++i) {
        reads.add(*ctx_.devices.origin, IoRequest::Op::read, block_offset(wanted[i]), buffer_.block(i));
    }
    (void)co_await reads;
    for (std::size_t i = 0; i < count && !ctx_.failed && newest == state_.table.newest_live(); ++i) {
        const auto content = buffer_.block(i);
        if (reads.status(i) == IoStatus::ok && !is_all_zero(content) &&
            origin_.unwritten_since(wanted[i], newest)) {
            origin_.add({wanted[i], newest.value, crc32c(content)});
        }
    }
    sampling_ = false;
    keep();
    sampled_.wake_all();
}

} // namespace snapstore
