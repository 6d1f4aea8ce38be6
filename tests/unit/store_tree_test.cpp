// SPDX-License-Identifier: GPL-2.0
// The tree against std::map, in long random runs with checkpoints in between.
#include <iterator>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "index/tree.h"

namespace snapstore {
namespace {

constexpr Area kZone{Block{32}, 4096};
constexpr Key kEnd{~std::uint64_t{0}, ~std::uint32_t{0}};

class TreeTest : public testing::Test {
protected:
    TreeTest() { pool.grow(4096); }

    void expect_sound(std::uint64_t seed)
    {
        tree.check([&](const char* what, Block block, Key) {
            ADD_FAILURE() << what << " in block " << block.value << ", seed " << seed;
        });
        EXPECT_EQ(tree.entries(), model.size());
        EXPECT_EQ(zone.units().used(), tree.nodes().size());
    }
    // A checkpoint whose nodes are written later, piece by piece.
    void freeze()
    {
        while (Node* node = tree.nodes().next_frozen()) {
            tree.nodes().written(node);
        }
        zone.units().thaw();
        zone.units().freeze();
        tree.nodes().freeze(tree.nodes().generation() + 1);
    }

    NodePool pool;
    Zone zone{kZone};
    Tree tree{pool, zone};
    std::map<Key, Entry> model;
};

Key random_key(std::mt19937_64& random, std::uint64_t chunks)
{
    const Chunk chunk{random() % chunks};
    const Epoch epoch{static_cast<std::uint32_t>(1 + random() % 50)};
    return random() % 8 == 0 ? Key::priv(chunk, epoch) : Key::shared(chunk, epoch);
}

TEST_F(TreeTest, AgainstMap)
{
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 60; ++round) {
        const bool growing = round % 20 < 12;
        const std::uint64_t chunks = 1 + random() % 3000;
        for (int i = 0; i < 1500; ++i) {
            const Key key = random_key(random, chunks);
            if (random() % 10 < (growing ? 8U : 2U)) {
                const Entry entry{key, static_cast<std::uint32_t>(random()), random() & kLocationMask};
                const std::uint64_t bound = tree.insert_bound(1);
                const std::size_t free = pool.free();
                EXPECT_EQ(tree.insert(entry), model.emplace(key, entry).second);
                EXPECT_LE(free - std::min(free, pool.free()), bound);
            } else if (random() % 2 == 0 && !model.empty()) {
                const auto at = model.lower_bound(key);
                const Key victim = at == model.end() ? model.begin()->first : at->first;
                EXPECT_TRUE(tree.erase(victim));
                model.erase(victim);
            } else {
                EXPECT_EQ(tree.erase(key), model.erase(key) == 1);
            }
            if (Node* node = random() % 50 == 0 ? tree.nodes().next_frozen() : nullptr; node != nullptr) {
                tree.nodes().written(node);
            }
        }
        expect_sound(seed);
        if (random() % 3 == 0) {
            freeze();
        }
        for (int i = 0; i < 200; ++i) {
            const Key key = random_key(random, chunks);
            const auto at = model.lower_bound(key);
            const auto found = tree.lower_bound(key);
            ASSERT_EQ(found.has_value(), at != model.end());
            EXPECT_TRUE(!found || *found == at->second);
            const auto before = tree.predecessor(key);
            ASSERT_EQ(before.has_value(), at != model.begin());
            EXPECT_TRUE(!before || *before == std::prev(at)->second);
            EXPECT_EQ(tree.find(key).has_value(), model.count(key) == 1);
        }
    }
}

// What a replay makes of the insertions, without what a sweep has erased meanwhile.
TEST_F(TreeTest, NodesWithoutErasuresAreBounded)
{
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::uint64_t grown_more = 0; // rounds in which the erasures have made a difference
    for (int round = 0; round < 100; ++round) {
        NodePool other_pool;
        other_pool.grow(1024);
        Zone other_zone{kZone};
        Tree live(other_pool, other_zone);
        NodePool replay_pool;
        replay_pool.grow(1024);
        Zone replay_zone{kZone};
        Tree replay(replay_pool, replay_zone);
        const std::uint64_t chunks = 1 + random() % 6000;
        const auto insert = [&](Key key) {
            const Entry entry{key, 0, 1};
            if (!replay.find(key)) {
                replay.insert(entry);
                live.insert(entry);
            }
        };
        for (std::uint64_t c = 0; c < chunks; ++c) {
            insert(Key::shared(Chunk{c}, Epoch{1}));
        }
        for (std::uint64_t i = random() % 4000; i > 0; --i) {
            insert(random_key(random, chunks));
        }
        const Tree::Mark mark = live.mark();
        const std::uint64_t erasures = random() % 100;
        const std::uint64_t stride = 1 + random() % 200;
        std::uint64_t sweep = 0;
        for (std::uint64_t i = random() % 4000; i > 0; --i) {
            if (random() % 100 < erasures) {
                live.erase(Key::shared(Chunk{(sweep += stride) % chunks}, Epoch{1}));
            } else {
                insert(Key::shared(Chunk{random() % chunks},
                                   Epoch{static_cast<std::uint32_t>(60 + random() % 9)}));
            }
            if (random() % 500 == 0) { // a checkpoint that does not become durable
                while (Node* node = live.nodes().next_frozen()) {
                    live.nodes().written(node);
                }
                live.nodes().freeze(live.nodes().generation() + 1);
            }
        }
        ASSERT_LE(replay.nodes().size(), live.nodes_without_erasures(mark)) << "round " << round;
        grown_more += replay.nodes().size() > mark.nodes + (live.nodes().created() - mark.created) ? 1U : 0U;
    }
    EXPECT_GT(grown_more, 10U);
}

TEST_F(TreeTest, VisitSkipsOldSubtreesOnly)
{
    std::mt19937_64 random(1);
    for (std::uint64_t c = 0; c < 20'000; ++c) {
        const Epoch epoch{c >= 9000 && c < 9100 ? 40U : static_cast<std::uint32_t>(1 + random() % 10)};
        tree.insert({Key::shared(Chunk{c}, epoch), 0, c});
    }
    std::uint64_t recent = 0;
    std::uint64_t visited = 0;
    tree.visit(Key{}, kEnd, 40, [&](const Entry& e, bool) {
        recent += e.key.epoch >= 40 ? 1U : 0U;
        ++visited;
        return true;
    });
    EXPECT_EQ(recent, 100U);
    EXPECT_LT(visited, 3 * kNodeEntries);
}

TEST_F(TreeTest, VisitsRangesInOrder)
{
    for (std::uint64_t c = 0; c < 5000; ++c) {
        tree.insert({Key::shared(Chunk{c * 3}, Epoch{1}), 0, c});
    }
    std::uint64_t next = 1000;
    tree.visit(Key::shared(Chunk{2999}, Epoch{}), Key::shared(Chunk{6001}, Epoch{}), 0,
               [&](const Entry& e, bool) {
                   EXPECT_EQ(e.location, next++);
                   return true;
               });
    EXPECT_EQ(next, 2001U);
}

TEST_F(TreeTest, KeysInOrderFillNodes)
{
    for (std::uint64_t c = 0; c < 50'000; ++c) {
        tree.insert({Key::shared(Chunk{c}, Epoch{1}), 0, c});
    }
    EXPECT_LT(tree.nodes().size(), 50'000 / kNodeEntries * 10 / 8);
}

TEST_F(TreeTest, DoesNotStaySparse)
{
    for (std::uint64_t c = 0; c < 50'000; ++c) {
        tree.insert({Key::shared(Chunk{c}, Epoch{1}), 0, c});
    }
    const std::uint64_t full = tree.nodes().size();
    for (std::uint64_t c = 0; c < 50'000; ++c) {
        if (c % 16 != 0) {
            tree.erase(Key::shared(Chunk{c}, Epoch{1}));
        }
    }
    EXPECT_LT(tree.nodes().size(), full / 4);
    for (std::uint64_t c = 0; c < 50'000; c += 16) {
        tree.erase(Key::shared(Chunk{c}, Epoch{1}));
    }
    EXPECT_EQ(tree.root(), nullptr);
    EXPECT_EQ(pool.free(), pool.size());
    EXPECT_EQ(zone.units().used(), 0U);
}

} // namespace
} // namespace snapstore
