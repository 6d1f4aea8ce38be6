// SPDX-License-Identifier: GPL-2.0
#include "tests/support/store_model.h"

#include <algorithm>
#include <cstring>

namespace zumastor::test {

StoreModel::StoreModel(SimWorld& world)
    : world_(world), chunk_bytes_(1ULL << world.config().chunk_shift),
      chunks_((world.config().origin.value + chunk_bytes_ - 1) / chunk_bytes_), origin_(chunks_, 0)
{}

void StoreModel::wrong(const std::string& what)
{
    if (surprise.empty()) {
        surprise = what;
    }
}

void StoreModel::check_error(const Error& error, const char* operation)
{
    const bool harmless = error.code == Errc::squashed || error.code == Errc::not_found;
    if (!harmless && !world_.origin().dead() && !(excused && excused(operation, error))) {
        wrong(std::string(operation) + ": " + error.what);
    }
}

StoreModel::Stamp StoreModel::new_stamp() { return world_.random()() % 5 == 0 ? 0 : next_stamp_++; }

// A chunk's bytes: the stamp in every sector (so that torn ones show), and a little noise.
void StoreModel::fill(std::span<std::byte> to, Stamp stamp) const
{
    std::memset(to.data(), 0, to.size());
    for (std::size_t at = 0; stamp != 0 && at < to.size(); at += 512) {
        std::memcpy(to.data() + at, &stamp, sizeof stamp);
        std::memset(to.data() + at + 8, static_cast<int>(stamp & 0xff), 64);
    }
}

StoreModel::Stamp StoreModel::stamp_of(std::span<const std::byte> from) const
{
    Stamp stamp = 0;
    std::memcpy(&stamp, from.data(), sizeof stamp);
    std::vector<std::byte> expected(from.size());
    fill(expected, stamp);
    return std::memcmp(expected.data(), from.data(), from.size()) == 0 ? stamp : ~Stamp{0};
}

StoreModel::Stamp StoreModel::read_place(const Extent& extent, std::uint64_t index) const
{
    switch (extent.kind) {
    case Extent::Kind::zero:
        return 0;
    case Extent::Kind::origin: {
        const std::uint64_t offset = (extent.first.value + index) * chunk_bytes_;
        return stamp_of(world_.origin().content().subspan(offset, chunk_bytes_));
    }
    case Extent::Kind::store:
        break;
    }
    const std::uint64_t offset = to_bytes(extent.sector).value + index * chunk_bytes_;
    return stamp_of(world_.store_disk().content().subspan(offset, chunk_bytes_));
}

std::optional<SnapshotId> StoreModel::random_snapshot()
{
    if (snapshots_.empty()) {
        return {};
    }
    auto at = snapshots_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(world_.random()() % snapshots_.size()));
    return SnapshotId{at->first};
}

ChunkRange StoreModel::random_range()
{
    const Chunk first{world_.random()() % chunks_};
    const std::uint32_t largest = world_.random()() % 4 == 0 ? world_.config().largest_write : 3;
    const std::uint64_t most = std::min<std::uint64_t>(chunks_ - first.value, largest);
    return {first, static_cast<std::uint32_t>(1 + world_.random()() % most)};
}

void StoreModel::start_random()
{
    FramePool& frames = world_.frames();
    const auto dice = world_.random()() % 100;
    const auto snapshot = random_snapshot();
    if (dice < 60) {
        spawn(frames, write_origin(frames, random_range()));
    } else if (dice < 75 && snapshot) {
        spawn(frames, write_snapshot(frames, *snapshot, Chunk{world_.random()() % chunks_}));
    } else if (dice < 85 && snapshot) {
        spawn(frames, read_snapshot(frames, *snapshot, random_range()));
    } else if (dice < 93 && snapshots_.size() < 12) {
        spawn(frames, take_snapshot(frames));
    } else if (snapshot) {
        spawn(frames, remove_snapshot(frames, *snapshot));
    }
    world_.store().upkeep().tick();
}

Task<void> StoreModel::write_origin(FramePool& frames, ChunkRange range)
{
    (void)frames;
    if (holding_) {
        co_return;
    }
    for (std::uint64_t i = 0; i < range.count; ++i) {
        if (!locked_.insert(range.first.value + i).second) { // someone writes there: write what is before it
            range.count = static_cast<std::uint32_t>(i);
        }
    }
    if (range.count == 0) {
        co_return;
    }
    const std::uint64_t life = life_;
    ++under_way_;
    ++writers_;
    const auto done = co_await world_.store().origin().write(range);
    if (life == life_) {
        --under_way_;
        --writers_;
        for (std::uint64_t i = 0; i < range.count; ++i) {
            locked_.erase(range.first.value + i);
        }
    }
    if (!done || life != life_ || world_.origin().dead()) {
        if (!done && life == life_) {
            check_error(done.error(), "origin write");
        }
        co_return;
    }
    if (!world_.store().origin().writable(range)) {
        wrong("granted chunks are not writable");
    }
    for (std::uint64_t i = 0; i < range.count; ++i) {
        const std::uint64_t c = range.first.value + i;
        origin_[c] = new_stamp();
        fill(world_.origin().content().subspan(c * chunk_bytes_, chunk_bytes_), origin_[c]);
    }
}

// Locked like a read of the origin: no origin write to the chunk meanwhile.
Task<void> StoreModel::write_snapshot(FramePool& frames, SnapshotId id, Chunk chunk)
{
    (void)frames;
    if (!locked_.insert(chunk.value).second) {
        co_return;
    }
    const std::uint64_t life = life_;
    ++under_way_;
    std::array<Extent, 1> out{};
    const auto done = co_await world_.store().snapshots().write(id, ChunkRange{chunk, 1}, out);
    if (life != life_) {
        co_return;
    }
    --under_way_;
    locked_.erase(chunk.value);
    if (world_.origin().dead()) {
        co_return;
    }
    if (!done) {
        check_error(done.error(), "snapshot write");
        co_return;
    }
    const auto at = snapshots_.find(id.value);
    if (at == snapshots_.end()) {
        co_return; // removed meanwhile
    }
    if (*done != 1 || out[0].kind != Extent::Kind::store || out[0].first != chunk) {
        wrong("snapshot write: no private place");
        co_return;
    }
    const Stamp before = read_place(out[0], 0);
    if (before != at->second.chunks[chunk.value]) {
        wrong("snapshot write: private copy of chunk " + std::to_string(chunk.value) + " has stamp " +
              std::to_string(before) + " instead of " + std::to_string(at->second.chunks[chunk.value]));
    }
    at->second.chunks[chunk.value] = new_stamp();
    fill(world_.store_disk().content().subspan(to_bytes(out[0].sector).value, chunk_bytes_),
         at->second.chunks[chunk.value]);
}

Task<void> StoreModel::read_snapshot(FramePool& frames, SnapshotId id, ChunkRange range)
{
    (void)frames;
    const std::uint64_t life = life_;
    ++under_way_;
    std::array<Extent, 64> out{};
    const auto done = co_await world_.store().snapshots().read(id, range, out);
    if (life != life_) {
        co_return;
    }
    --under_way_;
    const auto at = snapshots_.find(id.value);
    if (world_.origin().dead() || at == snapshots_.end()) {
        co_return;
    }
    if (!done) {
        check_error(done.error(), "snapshot read");
        co_return;
    }
    for (const Extent& e : std::span(out).first(*done)) {
        for (std::uint64_t i = 0; i < e.count; ++i) {
            if (read_place(e, i) != at->second.chunks[e.first.value + i]) {
                wrong("snapshot " + std::to_string(id.value) + " chunk " + std::to_string(e.first.value + i) +
                      " differs");
            }
        }
    }
}

Task<void> StoreModel::take_snapshot(FramePool& frames)
{
    (void)frames;
    if (holding_ || writers_ > 0) {
        co_return;
    }
    const std::uint64_t life = life_;
    holding_ = true;
    ++under_way_;
    CreateOptions options;
    options.name = "a snapshot";
    options.priority = static_cast<std::int8_t>(world_.random()() % 5);
    const std::uint64_t id = world_.store().snapshots().next_id().value;
    creating_[id] = Image{origin_};
    const auto done = co_await world_.store().snapshots().create(options);
    if (life != life_) {
        co_return;
    }
    if (done && !world_.origin().dead()) {
        creating_.erase(id);
        snapshots_[done->id.value] = Image{origin_};
    } else if (!done) {
        check_error(done.error(), "create");
        if (!world_.origin().dead() && done.error().code == Errc::failed) {
            doubtful_.insert(id);
        }
    }
    if (!world_.origin().dead()) { // else reconcile() finds out what has become of it
        creating_.erase(id);
        holding_ = false;
        --under_way_;
    }
}

Task<void> StoreModel::remove_snapshot(FramePool& frames, SnapshotId id)
{
    (void)frames;
    const std::uint64_t life = life_;
    ++under_way_;
    removing_.insert(id.value);
    const auto done = co_await world_.store().snapshots().remove(id);
    if (life != life_ || world_.origin().dead()) {
        co_return;
    }
    --under_way_;
    if (done) {
        snapshots_.erase(id.value);
    } else {
        check_error(done.error(), "remove");
    }
    if (done || done.error().code != Errc::failed) { // else the record may be on disk or not
        removing_.erase(id.value);
    }
}

void StoreModel::create() { world_.run(take_snapshot(world_.frames())); }

void StoreModel::reconcile()
{
    ++life_;
    under_way_ = 0;
    writers_ = 0;
    holding_ = false;
    locked_.clear();
    for (const auto& [id, image] : creating_) {
        if (world_.store().snapshots().find(SnapshotId{id})) {
            snapshots_[id] = image;
        }
    }
    creating_.clear();
    for (const std::uint64_t id : removing_) {
        if (!world_.store().snapshots().find(SnapshotId{id})) {
            snapshots_.erase(id);
        }
    }
    removing_.clear();
}

std::string StoreModel::compare_snapshot(SnapshotId id, const Image& image)
{
    std::vector<Extent> out(chunks_);
    for (std::uint64_t c = 0; c < chunks_;) {
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(chunks_ - c, 1024));
        const auto done = world_.run(world_.store().snapshots().read(id, {Chunk{c}, count}, out));
        if (!done) {
            return std::string("snapshot ") + std::to_string(id.value) + ": " + done.error().what;
        }
        for (const Extent& e : std::span(out).first(*done)) {
            for (std::uint64_t i = 0; i < e.count; ++i, ++c) {
                const Stamp read = read_place(e, i);
                if (read != image.chunks[c]) {
                    return "snapshot " + std::to_string(id.value) + " chunk " + std::to_string(c) +
                           ": read " + std::to_string(read) + ", expected " + std::to_string(image.chunks[c]);
                }
            }
        }
    }
    return {};
}

// Every chunk that differs must be in the delta.
std::string StoreModel::compare_delta(SnapshotId from, std::optional<SnapshotId> to)
{
    std::vector<bool> listed(chunks_);
    std::array<ChunkRange, 3> out{};
    for (DeltaPart part; !part.complete;) {
        const auto answer = world_.store().snapshots().delta(from, to, part.next, out);
        if (!answer) {
            return std::string("delta: ") + answer.error().what;
        }
        part = *answer;
        for (const ChunkRange& range : std::span(out).first(part.ranges)) {
            for (std::uint64_t c = range.first.value; c < range.end().value; ++c) {
                listed.at(c) = true;
            }
        }
    }
    const auto& old = snapshots_.at(from.value).chunks;
    const auto& now = to ? snapshots_.at(to->value).chunks : origin_;
    for (std::uint64_t c = 0; c < chunks_; ++c) {
        if (old[c] != now[c] && !listed[c]) {
            return "delta from snapshot " + std::to_string(from.value) + " to " +
                   (to ? std::to_string(to->value) : "the origin") + ": chunk " + std::to_string(c) +
                   " is missing";
        }
    }
    return {};
}

std::string StoreModel::compare()
{
    std::size_t found = 0;
    std::vector<SnapshotId> live;
    for (const SnapshotInfo& info : world_.store().snapshots().list()) {
        const auto at = snapshots_.find(info.id.value);
        if (doubtful_.count(info.id.value) == 1) {
            continue;
        }
        if (at == snapshots_.end()) {
            return "snapshot " + std::to_string(info.id.value) + " should not exist";
        }
        ++found;
        if (info.state == SnapshotState::normal) {
            if (auto what = compare_snapshot(info.id, at->second); !what.empty()) {
                return what;
            }
            live.push_back(info.id);
        }
    }
    for (auto to = live.begin(); to != live.end(); ++to) {
        std::string what = compare_delta(*to, std::nullopt);
        for (auto from = live.begin(); from != to && what.empty(); ++from) {
            what = compare_delta(*from, *to);
        }
        if (!what.empty()) {
            return what;
        }
    }
    if (found != snapshots_.size()) {
        std::string what = "missing:";
        for (const auto& [id, image] : snapshots_) {
            what += world_.store().snapshots().find(SnapshotId{id}) ? "" : " snapshot " + std::to_string(id);
        }
        return what;
    }
    const auto report = world_.run(world_.store().upkeep().check(true));
    if (!report) {
        return std::string("check: ") + report.error().what;
    }
    if (!report->damage.empty()) {
        return std::string("check: ") + report->damage.listed()[0].what;
    }
    return surprise;
}

} // namespace zumastor::test
