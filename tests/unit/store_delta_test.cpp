// SPDX-License-Identifier: GPL-2.0
// Deltas against a plain model that forgets nothing: which chunks were copied out in which epoch, and which
// were written to in which snapshot. Every call's answer must be exactly what the model says of the chunks
// that it covers, whatever happens between two calls. A failure prints its seed.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/memory_world.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kSeeds = 10;
#else
constexpr std::uint64_t kSeeds = 60;
#endif

class DeltaModel {
public:
    DeltaModel(std::uint64_t seed, const WorldConfig& config)
        : world_(seed, config), random_(seed * 31), chunks_(config.origin.value >> config.chunk_shift),
          origin_(chunks_, 0), copied_(chunks_)
    {
        auto content = world_.origin().content();
        std::fill(content.begin(), content.end(), std::byte{1}); // no ZERO: the store fills up
    }

    // Empty if nothing was wrong.
    std::string run()
    {
        if (!world_.initialize() || !world_.open()) {
            return "cannot make the store";
        }
        for (int i = 0; i < 400 && wrong_.empty(); ++i) {
            change();
            if (i % 8 == 0) {
                compare();
            }
        }
        return wrong_;
    }

    std::uint64_t squashed = 0;
    std::uint64_t gone_between = 0; // deltas that ended because a snapshot went
    std::uint64_t parts = 0;

private:
    struct Image {
        std::uint32_t epoch = 0;
        std::vector<std::uint64_t> chunks; // versions
        std::set<std::uint64_t> written;
    };

    Store& store() { return world_.store(); }

    void change()
    {
        const auto dice = random_() % 100;
        if (dice < 50) {
            write_origin();
        } else if (dice < 65) {
            write_snapshot();
        } else if (dice < 78) {
            take();
        } else if (dice < 86) {
            drop();
        } else if (dice < 94) {
            store().upkeep().tick(true); // a step of the sweep
        } else if (dice < 96) {
            expect(world_.run(store().upkeep().checkpoint()), "checkpoint");
        } else if (dice < 98) {
            world_.run(store().upkeep().quiesce());
        } else if (random_() % 2 == 0) {
            expect(world_.close(), "close");
            reopen();
        } else {
            world_.power_cut();
            reopen();
        }
        for (const SnapshotId id : std::exchange(world_.squashed_ids, {})) {
            snapshots_.erase(id.value);
            ++squashed;
        }
    }

    void reopen()
    {
        const auto opened = world_.open();
        if (!opened) {
            wrong_ = opened.error().what;
        }
    }

    template <class R>
    void expect(const R& result, const char* what)
    {
        if (!result) {
            wrong_ = std::string(what) + ": " + result.error().what;
        }
    }

    void write_origin()
    {
        const std::uint64_t first = random_() % chunks_;
        const std::uint64_t most = random_() % 6 == 0 ? 200 : 4;
        const std::uint64_t count = std::min(1 + random_() % most, chunks_ - first);
        std::uint32_t newest = 0;
        for (const auto& [id, image] : snapshots_) {
            newest = std::max(newest, image.epoch);
        }
        expect(world_.run(store().origin().write({Chunk{first}, static_cast<std::uint32_t>(count)})),
               "write");
        for (std::uint64_t c = first; c < first + count; ++c) {
            origin_[c] = ++version_;
            if (newest != 0 && copied_[c].lower_bound(newest) == copied_[c].end()) {
                copied_[c].insert(newest);
            }
        }
    }

    void write_snapshot()
    {
        if (snapshots_.empty()) {
            return;
        }
        const std::uint64_t id = some_snapshot();
        const std::uint64_t chunk = random_() % chunks_;
        std::array<Extent, 1> out{};
        const auto done = world_.run(store().snapshots().write(SnapshotId{id}, {Chunk{chunk}, 1}, out));
        if (done) {
            snapshots_[id].chunks[chunk] = ++version_;
            snapshots_[id].written.insert(chunk);
        } else if (done.error().code != Errc::squashed && done.error().code != Errc::no_space) {
            expect(done, "snapshot write");
        }
    }

    void take()
    {
        if (snapshots_.size() >= 20) {
            return;
        }
        const auto done = world_.run(store().snapshots().create({}));
        expect(done, "create");
        if (done) {
            snapshots_[done->id.value] = {done->epoch.value, origin_, {}};
        }
    }

    void drop()
    {
        if (snapshots_.size() > 3) {
            const std::uint64_t id = some_snapshot();
            expect(world_.run(store().snapshots().remove(SnapshotId{id})), "remove");
            snapshots_.erase(id);
        }
    }

    std::uint64_t some_snapshot()
    {
        auto at = snapshots_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_() % snapshots_.size()));
        return at->first;
    }

    // By the definition.
    bool in_delta(const Image& from, const Image* to, std::uint64_t chunk) const
    {
        const auto copy = copied_[chunk].lower_bound(from.epoch);
        return (copy != copied_[chunk].end() && (to == nullptr || *copy < to->epoch)) ||
               from.written.count(chunk) == 1 || (to != nullptr && to->written.count(chunk) == 1);
    }

    // One call's answer, for chunks [start, part.next).
    void check_part(const Image& from, const Image* to, Chunk start, const DeltaPart& part,
                    std::span<const ChunkRange> ranges)
    {
        std::vector<bool> listed(chunks_);
        std::uint64_t behind = start.value;
        for (const ChunkRange& range : ranges) {
            const bool apart = range.first.value > behind || behind == start.value;
            if (range.count == 0 || range.first.value < behind || !apart || range.end() > part.next) {
                wrong_ = "ranges that are empty, not merged, or out of order or bounds";
                return;
            }
            behind = range.end().value;
            std::fill_n(listed.begin() + static_cast<std::ptrdiff_t>(range.first.value), range.count, true);
        }
        if (part.next <= start || part.next.value > chunks_ || (part.complete && part.next.value < chunks_)) {
            wrong_ = "no progress, or too much";
        }
        for (std::uint64_t c = start.value; c < part.next.value && wrong_.empty(); ++c) {
            const auto& now = to != nullptr ? to->chunks : origin_;
            if (listed[c] != in_delta(from, to, c) || (from.chunks[c] != now[c] && !listed[c])) {
                wrong_ = "delta " + std::to_string(from.epoch) + " to " +
                         (to != nullptr ? std::to_string(to->epoch) : "origin") + ": chunk " +
                         std::to_string(c) + (listed[c] ? " is not changed" : " is missing");
            }
        }
    }

    void compare()
    {
        if (snapshots_.size() < 2) {
            return;
        }
        std::uint64_t from = some_snapshot();
        std::optional<std::uint64_t> to;
        if (random_() % 3 != 0) {
            to = some_snapshot();
            if (*to == from) {
                return;
            }
            if (snapshots_[from].epoch > snapshots_[*to].epoch) {
                std::swap(from, *to);
            }
        }
        const bool busy = random_() % 2 == 0; // things happen between calls
        std::vector<ChunkRange> out(1 + random_() % (random_() % 4 == 0 ? 100 : 6));
        const auto end = to ? std::optional(SnapshotId{*to}) : std::nullopt;
        for (DeltaPart part; !part.complete && wrong_.empty();) {
            const Chunk start = part.next;
            const bool alive = snapshots_.count(from) == 1 && (!to || snapshots_.count(*to) == 1);
            const auto answer = store().snapshots().delta(SnapshotId{from}, end, start, out);
            if (!alive) {
                ++gone_between;
                if (answer ||
                    (answer.error().code != Errc::not_found && answer.error().code != Errc::squashed)) {
                    wrong_ = "a delta of a snapshot that is gone";
                }
                return;
            }
            if (!answer) {
                wrong_ = answer.error().what;
                return;
            }
            part = *answer;
            ++parts;
            check_part(snapshots_[from], to ? &snapshots_[*to] : nullptr, start, part,
                       std::span(out).first(part.ranges));
            if (busy && random_() % 4 == 0) {
                change();
            }
        }
    }

    SimWorld world_;
    std::mt19937_64 random_;
    std::uint64_t chunks_;
    std::vector<std::uint64_t> origin_;           // versions
    std::vector<std::set<std::uint32_t>> copied_; // by chunk: epochs, the swept ones too
    std::map<std::uint64_t, Image> snapshots_;    // live ones, by number
    std::uint64_t version_ = 0;
    std::string wrong_;
};

// Deep enough for subtrees to be skipped.
WorldConfig large(Bytes store)
{
    WorldConfig config;
    config.origin = Bytes{4ULL << 20};
    config.store = store;
    return config;
}

TEST(StoreDeltaTest, IsWhatTheModelSays)
{
    const WorldConfig config = large(Bytes{32ULL << 20});
    std::uint64_t gone = 0;
    std::uint64_t parts = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        DeltaModel model(seed, config);
        ASSERT_EQ(model.run(), "") << "seed " << seed;
        gone += model.gone_between;
        parts += model.parts;
    }
    if (kSeeds >= 20) { // the few under sanitizers may not meet it
        EXPECT_GT(gone, 0U);
    }
    EXPECT_GT(parts, 100 * kSeeds);
}

TEST(StoreDeltaTest, IsWhatTheModelSaysWhileSnapshotsAreSquashed)
{
    const WorldConfig config = large(Bytes{5ULL << 20});
    std::uint64_t squashed = 0;
    std::uint64_t gone = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        DeltaModel model(seed, config);
        ASSERT_EQ(model.run(), "") << "seed " << seed;
        squashed += model.squashed;
        gone += model.gone_between;
    }
    EXPECT_GT(squashed, 0U);
    EXPECT_GT(gone, 0U);
}

TEST(StoreDeltaTest, RefusesWhatMakesNoSense)
{
    SimWorld world(1);
    ASSERT_TRUE(world.initialize() && world.open());
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(world.run(world.store().snapshots().create({})));
    }
    std::array<ChunkRange, 4> out{};
    const SnapshotId old{0};
    const SnapshotId young{1};
    const auto code = [&](SnapshotId from, std::optional<SnapshotId> to, std::span<ChunkRange> room) {
        const auto answer = world.store().snapshots().delta(from, to, Chunk{0}, room);
        return answer ? Errc{} : answer.error().code;
    };
    EXPECT_EQ(code(old, young, out), Errc{});
    EXPECT_EQ(code(young, std::nullopt, out), Errc{});
    EXPECT_EQ(code(young, old, out), Errc::invalid);
    EXPECT_EQ(code(old, old, out), Errc::invalid);
    EXPECT_EQ(code(old, young, {}), Errc::invalid);
    EXPECT_EQ(code(old, SnapshotId{2}, out), Errc::not_found);
    EXPECT_EQ(code(SnapshotId{2}, std::nullopt, out), Errc::not_found);
    const auto beyond = world.store().snapshots().delta(old, young, Chunk{~std::uint64_t{0}}, out);
    ASSERT_TRUE(beyond);
    EXPECT_TRUE(beyond->complete);
    EXPECT_EQ(beyond->ranges, 0U);
}

// One chunk with more exceptions than a call may look at.
TEST(StoreDeltaTest, AChunkOfManyEpochsTakesFewNodes)
{
    constexpr std::uint32_t kSnapshots = 3000;
    MemoryWorld world(Bytes{1ULL << 20}, Bytes{64ULL << 20}, 12, {});
    ASSERT_TRUE(world.open());
    std::array<Extent, 1> place{};
    for (std::uint32_t i = 0; i < kSnapshots; ++i) {
        const auto made = world.run(world.store().snapshots().create({}));
        ASSERT_TRUE(made);
        ASSERT_TRUE(world.run(world.store().snapshots().write(made->id, {Chunk{5}, 1}, place)));
        ASSERT_TRUE(world.run(world.store().origin().write({Chunk{5}, 1})));
    }
    ASSERT_TRUE(world.run(world.store().snapshots().write(SnapshotId{10}, {Chunk{6}, 1}, place)));
    std::array<ChunkRange, 4> out{};
    for (const auto& [from, to] : {std::pair{0U, 1U}, {10U, 11U}, {9U, 2000U}, {2998U, 2999U}}) {
        const std::uint64_t before = world.store().counters().delta_nodes;
        const auto part = world.store().snapshots().delta(SnapshotId{from}, SnapshotId{to}, Chunk{0}, out);
        ASSERT_TRUE(part);
        EXPECT_TRUE(part->complete);
        ASSERT_EQ(part->ranges, 1U);
        EXPECT_EQ(out[0], (ChunkRange{Chunk{5}, from == 10 ? 2U : 1U}));
        EXPECT_LE(world.store().counters().delta_nodes - before, 12U);
    }
}

class LargeDeltaTest : public testing::Test {
protected:
    static constexpr std::uint64_t kChunks = 200'000;

    // All chunks have an exception of the first snapshot.
    void SetUp() override
    {
        ASSERT_TRUE(world.open());
        take();
        for (std::uint64_t c = 0; c < kChunks; c += 1000) {
            write(c, 1000);
        }
        take();
    }
    void take() { ASSERT_TRUE(world.run(world.store().snapshots().create({}))); }
    void write(std::uint64_t first, std::uint32_t count)
    {
        ASSERT_TRUE(world.run(world.store().origin().write({Chunk{first}, count})));
    }
    // A whole delta; counts calls, nodes and chunks.
    void walk(std::uint64_t from, std::optional<std::uint64_t> to)
    {
        calls = chunks = 0;
        const std::uint64_t before = world.store().counters().delta_nodes;
        std::vector<ChunkRange> out(1000);
        const auto end = to ? std::optional(SnapshotId{*to}) : std::nullopt;
        for (DeltaPart part; !part.complete; ++calls) {
            const std::uint64_t so_far = world.store().counters().delta_nodes;
            const auto answer = world.store().snapshots().delta(SnapshotId{from}, end, part.next, out);
            ASSERT_TRUE(answer);
            part = *answer;
            for (const ChunkRange& range : std::span(out).first(part.ranges)) {
                chunks += range.count;
            }
            ASSERT_LE(world.store().counters().delta_nodes - so_far, StoreSnapshots::kDeltaNodes);
        }
        nodes = world.store().counters().delta_nodes - before;
    }

    MemoryWorld world{Bytes{kChunks << 12}, Bytes{1ULL << 30}, 12, {}};
    std::uint64_t calls = 0;
    std::uint64_t nodes = 0;
    std::uint64_t chunks = 0;
};

TEST_F(LargeDeltaTest, VisitsOnlyWhatHasChanged)
{
    constexpr std::uint64_t kDepth = 3;
    for (std::uint64_t i = 0; i < 10; ++i) { // 1,000 chunks in ten places
        write(i * 19'000 + 123, 100);
    }
    take();
    walk(1, 2);
    EXPECT_EQ(chunks, 1000U);
    EXPECT_EQ(calls, 1U);
    EXPECT_LE(nodes, 20 * kDepth);

    for (std::uint64_t i = 0; i < 100; ++i) { // 100 chunks in as many places
        write(i * 1999 + 50, 1);
    }
    take();
    walk(2, 3);
    EXPECT_EQ(chunks, 100U);
    EXPECT_LE(nodes, 100 * kDepth);
    walk(3, std::nullopt);
    EXPECT_EQ(chunks, 0U);
    EXPECT_LE(nodes, 1U);

    walk(0, 3); // everything: in several calls, each leaf once
    EXPECT_EQ(chunks, kChunks);
    EXPECT_GT(calls, 2U);
    EXPECT_LE(nodes, kChunks / 80 + calls * 2 * kDepth);
    EXPECT_GE(nodes, kChunks / 168);
}

// Writes to an old snapshot do not slow a delta of recent ones down; writes to a recent one are found.
TEST_F(LargeDeltaTest, FindsPrivateExceptionsByTheirEpoch)
{
    std::array<Extent, 64> out{};
    for (std::uint64_t i = 0; i < 200; ++i) {
        ASSERT_TRUE(world.run(world.store().snapshots().write(SnapshotId{0}, {Chunk{i * 999}, 1}, out)));
    }
    take();
    ASSERT_TRUE(world.run(world.store().snapshots().write(SnapshotId{2}, {Chunk{77'777}, 1}, out)));
    walk(1, 2);
    EXPECT_EQ(chunks, 1U);
    EXPECT_LE(nodes, 4U);
    walk(0, 1);
    EXPECT_EQ(chunks, kChunks);
}

} // namespace
} // namespace zumastor::test
