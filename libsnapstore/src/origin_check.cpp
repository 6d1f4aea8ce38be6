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
#include "block.h"
#include "crc32c.h"
#include "store_impl.h"

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
            lose_snapshots(Epoch{~std::uint32_t{0}}, report);
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

// One block at a time, until there are enough, or it was tried often enough. Allocates nothing.
void Store::Impl::sample_origin()
{
    if (sampling || table.none_live()) {
        return;
    }
    if (sampled_for != table.newest_live()) {
        sampled_for = table.newest_live();
        sample_tries = kTries;
        sample_random ^= uuid_prefix(sb.uuid) + incarnation + sampled_for.value;
        renew_samples();
    }
    if (sample_tries == 0) {
        return;
    }
    const auto free = std::find_if(origin.samples.begin(), origin.samples.end(),
                                   [](const OriginSample& s) { return s.epoch == 0; });
    sample_tries = free == origin.samples.end() ? 0 : sample_tries - 1;
    if (sample_tries == 0) {
        if (origin_record_old()) {
            origin_record_wanted = true;
            start_checkpoint();
        }
        return;
    }
    if (const auto block = choose_sample()) {
        sampling = true;
        spawn(frame_pool, take_sample(*block, sampled_for, *free));
    }
}

// What is all zeros, as much of a new disk is, tells nothing. Only if the block was not written meanwhile,
// and nobody may write it without a copy, is what was read what the snapshot has.
Task<void> Store::Impl::take_sample(std::uint64_t block, Epoch newest, OriginSample& into)
{
    const IoStatus status = co_await DeviceIo(*devices.origin, IoRequest::Op::read,
                                              Bytes{block_offset(block)}, sample_buffer.span());
    if (status == IoStatus::ok && !failed && !is_all_zero(sample_buffer.span()) &&
        newest == table.newest_live() && unwritten_since(block, newest)) {
        into = OriginSample{block, newest.value, crc32c(sample_buffer.span())};
    }
    sampling = false;
    sampled.wake_all();
}

} // namespace snapstore
