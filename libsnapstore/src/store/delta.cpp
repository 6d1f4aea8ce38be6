// SPDX-License-Identifier: GPL-2.0
// Which chunks differ between two snapshots: a walk over the part of the tree that has changed since the
// older one was taken.
//
// Be a < b the epochs of two live snapshots, or b infinite for the origin. delta(a, b) is the set of chunks c
// with a shared exception (c, x), a <= x < b, or with a private exception of a or of b.
//
// 1. Nothing that differs is missing. A chunk without private exceptions of a and b is read from the lowest
//    shared exception x >= a, or x >= b, or else from the origin. If none lies in [a, b), these are the
//    same place.
// 2. The sweep takes nothing out of the set. Let y be the lowest shared exception of c in [a, b), and prev the
//    next lower one of c. Then prev < a, else prev would be the lowest; so prev < a <= y: y serves a and is
//    kept as long as a lives. What else lies in [a, b) may well be garbage (prev >= a: no snapshot is left in
//    (prev, x]), but c is in the set because of y all the same. Erasing an exception below a changes prev
//    for y only to something lower still. Private exceptions of a and b are kept as long as these live.
// 3. Nothing comes in once b was taken, but for private exceptions of a and b, and for copies that were under
//    way when b was taken: a new exception is of the newest live epoch when its copy begins, and b lives.
//    Such a copy was not granted in the epoch that it belongs to, so c is the same in a and b: too much, not
//    too little.
//
// 4. Sizes. All this is about chunks that both a and b have whole. The one that a ends in, and those that only
//    b has, are added without looking: while no live snapshot has them, writes to them are not copied out.
//    Those that only a has are left out: b has nothing there. A chunk that a and b have, but a snapshot
//    between them had not, was copied out for a when the origin was shrunk.
//
// So the parts of one delta fit together whatever happens in between, and crashes change nothing either:
// exceptions in the tree are durable. For the origin, a chunk comes in when it is first written since a, and
// never goes. (StoreDeltaTest, and the simulation after each comparison)
#include "store/delta.h"

#include <algorithm>

#include "store/planted_bugs.h"

namespace snapstore {

namespace {

constexpr std::uint32_t kOriginEpoch = ~std::uint32_t{0}; // newer than any snapshot's: create() sees to it

class Collector {
public:
    // Of chunks below `end`.
    Collector(std::uint32_t a, std::uint32_t b, Chunk end, std::span<ChunkRange> out) noexcept
        : a_(a), b_(b), end_(end), out_(out)
    {}

    std::size_t used() const noexcept { return used_; }
    bool at_end() const noexcept { return at_end_; }

    // All chunks from `first` to `end`; returns how far there was room for them.
    Chunk add_run(Chunk first, Chunk end) noexcept
    {
        constexpr std::uint32_t kMost = ~std::uint32_t{0};
        if (used_ == 0 || out_[used_ - 1].end() != first || out_[used_ - 1].count == kMost) {
            if (used_ == out_.size()) {
                return first;
            }
            out_[used_++] = {first, 0};
        }
        ChunkRange& last = out_[used_ - 1];
        last.count +=
            static_cast<std::uint32_t>(std::min<std::uint64_t>(end.value - first.value, kMost - last.count));
        return last.end();
    }

    // For Tree::seek(). Of a chunk with many exceptions, only those next to a and b are looked at.
    std::optional<Key> operator()(const Key& key) noexcept
    {
        const Chunk chunk = key.chunk();
        if (chunk >= end_) {
            at_end_ = true;
            return std::nullopt;
        }
        const Key next_chunk{(chunk.value + 1) << 1, 0};
        const bool changed = key.is_private() ? (key.epoch == a_ || key.epoch == b_) &&
                                                    !has_bug(PlantedBug::delta_ignores_private)
                                              : key.epoch >= a_ && key.epoch < b_;
        if (changed) {
            return add(chunk) ? std::optional(next_chunk) : std::nullopt;
        }
        if (!key.is_private()) {
            return key.epoch < a_ ? Key::shared(chunk, Epoch{a_}) : Key::priv(chunk, Epoch{a_});
        }
        if (key.epoch < b_) {
            return Key::priv(chunk, Epoch{key.epoch < a_ ? a_ : b_});
        }
        return next_chunk;
    }

private:
    bool add(Chunk chunk) noexcept
    {
        if (used_ > 0 && out_[used_ - 1].end() == chunk) {
            ++out_[used_ - 1].count;
            return true;
        }
        if (used_ == out_.size()) {
            return false;
        }
        out_[used_++] = {chunk, 1};
        return true;
    }

    std::uint32_t a_;
    std::uint32_t b_;
    Chunk end_;
    bool at_end_ = false;
    std::span<ChunkRange> out_;
    std::size_t used_ = 0;
};

} // namespace

Result<DeltaPart> find_delta(Context& ctx, const State& state, SnapshotId from, std::optional<SnapshotId> to,
                             Chunk start, std::span<ChunkRange> out) noexcept
{
    if (auto ok = ctx.check_running(); !ok) {
        return tl::unexpected(ok.error());
    }
    const auto older = state.readable(from);
    if (!older) {
        return tl::unexpected(older.error());
    }
    DeltaPart part;
    part.from = (*older)->info.epoch;
    std::uint32_t upto = kOriginEpoch;
    Sectors size = ctx.sb.origin.size;
    if (to) {
        const auto newer = state.readable(*to);
        if (!newer) {
            return tl::unexpected(newer.error());
        }
        part.to = (*newer)->info.epoch;
        upto = part.to.value;
        size = (*newer)->info.size;
    }
    if (part.from.value >= upto) {
        return fail(Errc::invalid, "the first snapshot must be older than the second", from.value);
    }
    if (out.empty()) {
        return fail(Errc::invalid, "no room for ranges");
    }
    const Chunk end{ctx.sb.chunks_of(size)};
    const Sectors before = (*older)->info.size;
    const Chunk added = before < size ? Chunk{before.value / ctx.sb.chunk.sectors()} : end; // only b has them
    if (start >= end) {
        part.next = start;
        part.complete = true;
        return part;
    }
    // Getting on takes a few nodes: a chunk is decided after at most four seeks, each along one path.
    static_assert(StoreSnapshots::kDeltaNodes > std::uint64_t{8} * Tree::kMaxLevels);
    std::uint64_t budget = StoreSnapshots::kDeltaNodes;
    Key cursor{start.value << 1, 0};
    Collector collector(part.from.value, upto, added, out);
    part.next = start;
    if (start < added) {
        const bool all = state.tree->seek(cursor, part.from.value, budget, collector) || collector.at_end();
        part.next = all ? added : cursor.chunk();
    }
    if (part.next >= added && part.next < end) {
        part.next = collector.add_run(part.next, end);
    }
    part.complete = part.next >= end;
    part.ranges = collector.used();
    ctx.counters.delta_nodes += StoreSnapshots::kDeltaNodes - budget;
    return part;
}

} // namespace snapstore
