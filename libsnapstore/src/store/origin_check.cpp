// SPDX-License-Identifier: GPL-2.0
// Is this the origin that the store is of? open() compares what it finds with what the store remembers
// (origin_record.h), before it writes anything.
//
// Samples of content decide as long as there are some that count: the origin is another one if more than half
// of them differ. (Fewer: something has damaged it, or written past the volume; it is told.) If none count,
// the identities decide. Without live snapshots no content is remembered: nothing there could become wrong.
//
// Invariant: a sample that counts is what the origin held, durably, when the snapshot of its epoch was taken:
// create() flushes the origin, and a write since then has left an exception of that epoch or a later one,
// which stays as long as the snapshot lives. So neither a crash nor a lost cache makes the right origin look
// wrong. (OriginCheckTest; sim: all of it)
#include "format/block.h"
#include "format/crc32c.h"
#include "store/store_impl.h"

namespace snapstore {

namespace {

constexpr std::size_t kDepth = 16;                   // reads at once
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

bool Store::Impl::whole_in(std::uint64_t block, Sectors size) const noexcept
{
    return block / sb.chunk_blocks() < size.value / sb.chunk_sectors();
}

// That snapshot is live, has the chunk, and shares it with the origin.
bool Store::Impl::unwritten_since(std::uint64_t block, Epoch snapshot) const noexcept
{
    const Snapshot* s = table.find(snapshot);
    if (s == nullptr || s->info.state != SnapshotState::normal || !whole_in(block, s->info.size) ||
        !whole_in(block, sb.origin_size)) {
        return false;
    }
    const Key key = Key::shared(Chunk{block / sb.chunk_blocks()}, snapshot);
    const auto e = tree->lower_bound(key);
    return !e || e->key.key != key.key;
}

// What does not count any more goes; what counts is so since the newest snapshot, too.
void Store::Impl::renew_samples() noexcept
{
    const Epoch newest = table.newest_live();
    for (OriginSample& sample : origin.samples) {
        if (sample.epoch == 0) {
            continue;
        }
        const bool unwritten =
            unwritten_since(sample.block, Epoch{sample.epoch}) && unwritten_since(sample.block, newest);
        const bool counts = unwritten || has_bug(PlantedBug::stale_samples);
        sample = counts ? OriginSample{sample.block, newest.value, sample.crc} : OriginSample{};
    }
}

// ---- at open ----------------------------------------------------------------------------------

Task<Result<void>> Store::Impl::compare_samples(OpenReport& report)
{
    const AlignedBuffer buffer(kDepth * kBlockSize.value);
    std::array<OriginSample*, kDepth> reading{};
    IoGroup<kDepth> group;
    renew_samples();
    for (auto next = origin.samples.begin(); next != origin.samples.end();) {
        group.clear();
        for (; next != origin.samples.end() && !group.full(); ++next) {
            if (next->epoch != 0) {
                reading[group.size()] = &*next;
                group.add(*devices.origin, IoRequest::Op::read, Bytes{block_offset(next->block)},
                          buffer.block(group.size()));
            }
        }
        (void)co_await group;
        if (auto ok = may_go_on_opening(); !ok) {
            co_return ok;
        }
        for (std::size_t i = 0; i < group.size(); ++i) {
            if (group.status(i) != IoStatus::ok) {
                continue; // says nothing
            }
            const bool differs = crc32c(buffer.block(i)) != reading[i]->crc;
            ++report.origin_compared;
            report.origin_differing += differs ? 1 : 0;
            if (differs) {
                *reading[i] = OriginSample{};
            }
        }
    }
    co_return Result<void>{};
}

// After the replay, before anything is written or answered.
Task<Result<void>> Store::Impl::check_origin(OpenReport& report)
{
    if (auto ok = co_await compare_samples(report); !ok) {
        co_return ok;
    }
    const bool by_content = report.origin_compared > 0;
    const bool renamed =
        compare_identities(origin.identity_text(), config.origin_identity) == Likeness::other;
    const bool other = by_content ? report.origin_differing > report.origin_compared / 2 : renamed;
    if (other && config.other_origin == OtherOrigin::refuse) {
        co_return fail(Errc::other_origin,
                       by_content ? "the origin is not the one that the store is of: it holds something else"
                                  : "the origin is not the one that the store is of: it is another device");
    }
    report.origin_accepted = other;
    report.origin_renamed = renamed && !other;
    if (other) {
        origin.samples = {};
        if (config.other_origin == OtherOrigin::lose_snapshots) {
            report.lost += lose_snapshots(Epoch{~std::uint32_t{0}});
        }
    }
    if (!config.origin_identity.empty()) {
        origin.set_identity(config.origin_identity);
    }
    co_return Result<void>{};
}

// ---- while it runs ----------------------------------------------------------------------------

bool Store::Impl::origin_record_old() const noexcept
{
    std::size_t on_disk = 0;
    for (const OriginSample& sample : sb.origin.samples) {
        on_disk += sample.epoch != 0 && unwritten_since(sample.block, Epoch{sample.epoch}) ? 1U : 0U;
    }
    return origin.count() > on_disk + on_disk / 4;
}

// Where something was written once there is content, and not on a disk that is mostly empty.
std::optional<std::uint64_t> Store::Impl::choose_sample() noexcept
{
    const std::uint64_t chunks_there = sb.origin_size.value / sb.chunk_sectors();
    if (chunks_there == 0) {
        return std::nullopt;
    }
    std::uint64_t chunk = next_random(sample_random) % chunks_there;
    if (sample_tries % 2 == 0) {
        if (const auto e = tree->lower_bound(Key::shared(Chunk{chunk}, Epoch{}))) {
            chunk = e->key.chunk().value;
        }
    }
    const std::uint64_t block = chunk * sb.chunk_blocks() + next_random(sample_random) % sb.chunk_blocks();
    const bool known = std::any_of(origin.samples.begin(), origin.samples.end(),
                                   [&](const OriginSample& s) { return s.epoch != 0 && s.block == block; });
    return known || !unwritten_since(block, sampled_for) ? std::nullopt : std::optional(block);
}

// A few blocks at each tick, until there are enough, or it was tried often enough: a few seconds after the
// newest snapshot was taken the origin has its rest. Allocates nothing.
void Store::Impl::sample_origin()
{
    if (sampling || table.none_live()) {
        return;
    }
    if (sampled_for != table.newest_live()) {
        sampled_for = table.newest_live();
        sample_tries = kTries;
        sample_random ^= uuid_prefix(sb.uuid) + journal.incarnation + sampled_for.value;
        renew_samples();
    }
    if (sample_tries == 0) {
        return;
    }
    SampleBlocks wanted{};
    std::size_t count = 0;
    for (std::size_t room = kOriginSamples - origin.count(); sample_tries > 0 && count < wanted.size();) {
        sample_tries = count == room ? 0 : sample_tries - 1;
        if (const auto block = sample_tries > 0 ? choose_sample() : std::nullopt) {
            wanted[count++] = *block;
        }
    }
    if (count > 0) {
        sampling = true;
        spawn(frame_pool, take_samples(wanted, count));
    } else {
        keep_samples();
    }
}

// When there are no more to come: on disk, unless what is there is nearly as good.
void Store::Impl::keep_samples()
{
    if (sample_tries == 0 && !failed && !closing && origin_record_old()) {
        origin_record_wanted = true;
        start_checkpoint();
    }
}

// What is all zeros, as much of a new disk is, tells nothing. Only if the block was not written meanwhile,
// and nobody may write it without a copy, is what was read what the snapshot has.
Task<void> Store::Impl::take_samples(SampleBlocks wanted, std::size_t count)
{
    const Epoch newest = sampled_for;
    IoGroup<kSampledAtOnce> reads;
    for (std::size_t i = 0; i < count; ++i) {
        reads.add(*devices.origin, IoRequest::Op::read, Bytes{block_offset(wanted[i])},
                  sample_buffer.block(i));
    }
    (void)co_await reads;
    for (std::size_t i = 0; i < count && !failed && newest == table.newest_live(); ++i) {
        const auto content = sample_buffer.block(i);
        if (reads.status(i) == IoStatus::ok && !is_all_zero(content) && unwritten_since(wanted[i], newest)) {
            add_sample({wanted[i], newest.value, crc32c(content)});
        }
    }
    sampling = false;
    keep_samples();
    sampled.wake_all();
}

void Store::Impl::add_sample(const OriginSample& sample) noexcept
{
    OriginSample* free = nullptr;
    for (OriginSample& one : origin.samples) {
        if (one.epoch != 0 && one.block == sample.block) {
            return; // chosen twice
        }
        free = one.epoch == 0 ? &one : free;
    }
    if (free != nullptr) {
        *free = sample;
    }
}

} // namespace snapstore
