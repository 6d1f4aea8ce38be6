// SPDX-License-Identifier: GPL-2.0
// Checksum, numbers, allocator, metadata zone, in-flight set, snapshot table.
#include <concepts>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "format/block.h"
#include "format/crc32c.h"
#include "format/journal.h"
#include "format/zone.h"
#include "index/snapshot_table.h"
#include "memory/allocator.h"
#include "store/in_flight.h"

namespace snapstore {
namespace {

TEST(Crc32cTest, KnownValueAndBothForms)
{
    const std::string_view digits = "123456789";
    EXPECT_EQ(crc32c(std::as_bytes(std::span(digits))), 0xe3069283U);
    std::mt19937_64 random(3);
    std::vector<std::byte> data(5000);
    for (auto& b : data) {
        b = static_cast<std::byte>(random());
    }
    for (int i = 0; i < 200; ++i) {
        const auto part = std::span(data).subspan(random() % 2000, random() % 3000);
        EXPECT_EQ(crc32c(part), crc32c_software(part));
        const std::size_t cut = part.empty() ? 0 : random() % part.size();
        EXPECT_EQ(crc32c(part.subspan(cut), crc32c(part.first(cut))), crc32c(part));
    }
}

TEST(BlockTest, ZeroDetection)
{
    std::vector<std::byte> data(4096);
    EXPECT_TRUE(is_all_zero(data));
    for (const std::size_t at : {0U, 7U, 15U, 16U, 17U, 2000U, 4095U}) {
        data[at] = std::byte{1};
        EXPECT_FALSE(is_all_zero(data)) << at;
        data[at] = std::byte{0};
    }
}

template <class A, class B>
concept Added = requires(A a, B b)
{
    a + b;
};
template <class A, class B>
concept Subtracted = requires(A a, B b)
{
    a - b;
};
template <class A, class B>
concept Compared = requires(A a, B b)
{
    a == b;
};

// What must not be mixed up does not compile; what belongs together does.
template <class Number, class... Others>
constexpr bool stands_alone()
{
    return !Added<Number, Number> &&
           (... && !std::convertible_to<Others, Number>)&&(... && !std::convertible_to<Number, Others>)&&(
               ... && !Compared<Number, Others>)&&(... && (std::integral<Others> ||
                                                           (!Added<Number, Others> &&
                                                            !Subtracted<Number, Others>))) &&
           std::same_as<decltype(Number{} + 1), Number> && std::same_as<decltype(Number{} - 1), Number> &&
           std::same_as<decltype(Number{} - Number{}), std::uint64_t>;
}

TEST(NumberTest, IsNoCountNorANumberOfAnotherKind)
{
    EXPECT_TRUE((stands_alone<Block, std::uint64_t, int, Sequence, OriginBlock, Chunk, StoreChunk, Bytes>()));
    EXPECT_TRUE((stands_alone<Sequence, std::uint64_t, int, Block, OriginBlock, Epoch, SnapshotId, Bytes>()));
    EXPECT_TRUE((stands_alone<OriginBlock, std::uint64_t, int, Block, Sequence, Chunk, Sectors, Bytes>()));
}

TEST(NumberTest, AreaHasItsFirstAndNotItsEnd)
{
    const Area area{Block{32}, 16};
    EXPECT_EQ(area.end(), Block{48});
    EXPECT_EQ(area.end() - area.first, area.count);
    for (const std::uint64_t inside : {32U, 33U, 47U}) {
        EXPECT_TRUE(area.contains(Block{inside}));
    }
    for (const std::uint64_t outside : {0U, 31U, 48U}) {
        EXPECT_FALSE(area.contains(Block{outside}));
    }
    EXPECT_EQ(block_offset(area.first), Bytes{131072});
}

// A sequence number goes on where the ring begins again.
TEST(NumberTest, TheRingWrapsAndTheSequenceDoesNot)
{
    const Area ring{Block{32}, 16};
    EXPECT_EQ(journal_block_of(ring, Sequence{1}), Block{33});
    EXPECT_EQ(journal_block_of(ring, Sequence{15}), Block{47});
    EXPECT_EQ(journal_block_of(ring, Sequence{15} + 1), Block{32});
    EXPECT_LT(Sequence{15}, Sequence{15} + 1);
    EXPECT_EQ(ring_index(ring, Sequence{35}), 3U);
}

TEST(ZoneTest, BlocksAreUnitsFromItsFirstOn)
{
    Zone zone(Area{Block{96}, 100});
    const Zone::Run run = zone.allocate(3);
    EXPECT_EQ(run.first, Block{96});
    EXPECT_EQ(run.count, 3U);
    EXPECT_EQ(zone.free(), 97U);
    EXPECT_TRUE(zone.mark_used(Block{195}));
    EXPECT_FALSE(zone.mark_used(Block{195})) << "twice";
    EXPECT_TRUE(zone.units().is_used(99));
    for (const std::uint64_t outside : {0U, 95U, 196U}) {
        EXPECT_FALSE(zone.mark_used(Block{outside})) << outside;
        EXPECT_FALSE(zone.is_used(Block{outside})) << outside;
    }
    zone.free_now(Block{97});
    zone.free_later(Block{98});
    EXPECT_FALSE(zone.is_used(Block{97}) || zone.is_used(Block{98}));
    EXPECT_TRUE(zone.is_used(Block{96}));
    EXPECT_TRUE(zone.units().is_pending(2));
    EXPECT_FALSE(zone.units().is_pending(1));
}

TEST(AllocatorTest, AgainstSets)
{
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    for (const std::uint64_t units : {1U, 63U, 64U, 65U, 1000U, 5000U}) {
        Allocator allocator(units);
        std::set<std::uint64_t> used;
        std::set<std::uint64_t> pending;
        std::set<std::uint64_t> frozen;
        for (int i = 0; i < 3000; ++i) {
            const auto dice = random() % 100;
            if (dice < 50) {
                const std::uint64_t want = 1 + random() % 20;
                const auto run = allocator.allocate(want);
                EXPECT_LE(run.count, want);
                EXPECT_EQ(run.count == 0, used.size() + pending.size() + frozen.size() == units);
                for (std::uint64_t u = run.first; u < run.first + run.count; ++u) {
                    EXPECT_EQ(pending.count(u) + frozen.count(u), 0U);
                    EXPECT_TRUE(u < units && used.insert(u).second);
                }
            } else if (dice < 95 && !used.empty()) {
                auto at = used.lower_bound(random() % units);
                at = at == used.end() ? used.begin() : at;
                if (dice < 60) {
                    allocator.free_now(*at);
                } else {
                    allocator.free_later(*at);
                    pending.insert(*at);
                }
                used.erase(at);
            } else {
                EXPECT_EQ(allocator.thaw(), frozen.size());
                frozen.clear();
                allocator.freeze();
                frozen.swap(pending);
            }
            ASSERT_EQ(allocator.used(), used.size());
            ASSERT_EQ(allocator.pending(), pending.size() + frozen.size());
        }
    }
}

TEST(AllocatorTest, PendingIsNotReused)
{
    Allocator allocator(4);
    EXPECT_EQ(allocator.allocate(4).count, 4U);
    allocator.free_later(2);
    EXPECT_EQ(allocator.allocate(1).count, 0U);
    allocator.freeze();
    allocator.free_later(3);
    EXPECT_EQ(allocator.allocate(1).count, 0U);
    EXPECT_EQ(allocator.thaw(), 1U);
    const auto run = allocator.allocate(4);
    EXPECT_EQ(run.first, 2U);
    EXPECT_EQ(run.count, 1U);
}

TEST(AllocatorTest, NothingBeyondTheLimit)
{
    for (const std::uint64_t units : {1000U, 1024U, 70U}) {
        Allocator allocator(units);
        const std::uint64_t limit = units / 2 + 3;
        ASSERT_EQ(allocator.allocate(units - 1).count, units - 1);
        allocator.limit_to(limit);
        EXPECT_EQ(allocator.free(), 0U);
        EXPECT_EQ(allocator.allocate(1).count, 0U);
        EXPECT_EQ(allocator.used(), units - 1);
        EXPECT_EQ(allocator.used_from(limit), units - 1 - limit);
        allocator.free_now(limit - 1);
        allocator.free_now(limit);
        EXPECT_EQ(allocator.free(), 1U);
        EXPECT_EQ(allocator.allocate(5).first, limit - 1);
        for (std::uint64_t unit = limit + 1; unit < units - 1; ++unit) {
            allocator.free_later(unit);
        }
        allocator.free_later(3);
        EXPECT_EQ(allocator.used_from(limit), 0U);
        EXPECT_EQ(allocator.used(), limit - 1);
        allocator.freeze();
        allocator.thaw();
        EXPECT_EQ(allocator.free(), 1U);
        EXPECT_EQ(allocator.allocate(5).first, 3U);
        EXPECT_EQ(allocator.allocate(1).count, 0U);
        Allocator lifted = allocator;
        lifted.limit_to(units);
        EXPECT_EQ(lifted.free(), units - limit);
        EXPECT_EQ(lifted.allocate(units).first, limit);
        allocator.cut_at_limit();
        EXPECT_EQ(allocator.size(), limit);
        EXPECT_EQ(allocator.used(), limit);
        EXPECT_EQ(allocator.allocate(1).count, 0U);
        allocator.grow(units);
        EXPECT_EQ(allocator.free(), units - limit);
        EXPECT_EQ(allocator.allocate(units).first, limit);
        EXPECT_EQ(allocator.free(), 0U);
    }
}

TEST(AllocatorTest, NeighboursForOneRequest)
{
    Allocator allocator(1000);
    EXPECT_EQ(allocator.allocate(10).first, 0U);
    const auto run = allocator.allocate(100);
    EXPECT_EQ(run.first, 10U);
    EXPECT_EQ(run.count, 100U);
}

TEST(InFlightTest, AgainstSet)
{
    std::mt19937_64 random(5);
    InFlight in_flight(200);
    std::set<std::uint64_t> model;
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t key = random() % 1000;
        ASSERT_EQ(in_flight.contains(key), model.count(key) == 1);
        if (model.count(key) == 1) {
            in_flight.erase(key);
            model.erase(key);
        } else if (in_flight.room() > 0) {
            in_flight.insert(key);
            model.insert(key);
        }
        ASSERT_EQ(in_flight.size(), model.size());
    }
}

Snapshot snapshot(std::uint64_t id, std::uint32_t epoch, std::int8_t priority = 0,
                  std::uint32_t use_count = 0)
{
    Snapshot s;
    s.info.id = SnapshotId{id};
    s.info.epoch = Epoch{epoch};
    s.info.priority = priority;
    s.info.use_count = use_count;
    return s;
}

TEST(SnapshotTableTest, VictimOrder)
{
    SnapshotTable table;
    table.insert(snapshot(1, 1, 5));
    table.insert(snapshot(2, 2, -3, 1));
    table.insert(snapshot(3, 3, 5));
    table.insert(snapshot(4, 4, 127));
    table.insert(snapshot(5, 5, 6));
    std::vector<std::uint64_t> order;
    while (Snapshot* victim = table.victim()) {
        order.push_back(victim->info.id.value);
        table.set_state(*victim, SnapshotState::squashed);
    }
    EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 3, 5, 2}));
    EXPECT_EQ(table.newest_live(), Epoch{4});
}

TEST(SnapshotTableTest, SquashedIsHeldUntilReleased)
{
    SnapshotTable table;
    table.insert(snapshot(1, 10));
    Snapshot& s = *table.find(SnapshotId{1});
    EXPECT_TRUE(table.any_held(9, 10));
    EXPECT_FALSE(table.any_held(10, 20));
    EXPECT_FALSE(table.any_held(0, 9));
    table.set_state(s, SnapshotState::squashed);
    EXPECT_TRUE(table.none_live());
    EXPECT_TRUE(table.any_held(9, 10));
    table.set_released(s);
    EXPECT_FALSE(table.any_held(0, 100));
}

TEST(SnapshotTableTest, NumberIsFreeWhileDeleting)
{
    SnapshotTable table;
    EXPECT_TRUE(table.insert(snapshot(1, 1)));
    EXPECT_FALSE(table.insert(snapshot(1, 2)));
    table.set_state(*table.find(SnapshotId{1}), SnapshotState::deleting);
    EXPECT_EQ(table.find(SnapshotId{1}), nullptr);
    EXPECT_TRUE(table.insert(snapshot(1, 2)));
    EXPECT_EQ(table.find(SnapshotId{1})->info.epoch, Epoch{2});
}

TEST(SnapshotTableTest, PackAndUnpack)
{
    Snapshot s = snapshot(77, 9, -128, 3);
    s.info.name = std::string(SnapshotInfo::kMaxName, 'n');
    s.info.tag = std::string(SnapshotInfo::kMaxTag, 't');
    s.info.created_ns = 1234567890123456789;
    s.info.size = Sectors{1ULL << 40};
    s.info.uuid.fill(std::byte{7});
    s.info.state = SnapshotState::squashed;
    s.swept = true;
    const auto again = unpack_snapshot(pack_snapshot(s));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->info.name, s.info.name);
    EXPECT_EQ(again->info.tag, s.info.tag);
    EXPECT_EQ(again->info.id, s.info.id);
    EXPECT_EQ(again->info.priority, -128);
    EXPECT_EQ(again->info.size, s.info.size);
    EXPECT_EQ(again->info.state, SnapshotState::squashed);
    EXPECT_TRUE(again->swept);
}

} // namespace
} // namespace snapstore
