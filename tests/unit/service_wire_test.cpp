// SPDX-License-Identifier: GPL-2.0
// Messages: what is encoded is decoded, and garbage is an error.
#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "ddsnapd/protocol/wire.h"

namespace ddsnap::wire {
namespace {

using snapstore::Chunk;
using snapstore::Epoch;
using snapstore::Extent;

TEST(WireTest, RoundTrips)
{
    Hello hello;
    hello.id = 5;
    hello.role = Role::snapshot;
    hello.read_only = true;
    hello.snapshot = snapstore::SnapshotId{12};
    hello.client.fill(std::byte{3});
    hello.kind = Kind::kernel;
    hello.major = 253;
    hello.epoch = Epoch{9};
    hello.set_name(std::string(300, 'n'));
    const auto hello_2 = Hello::decode(encode(hello));
    ASSERT_TRUE(hello_2);
    EXPECT_EQ(hello_2->client, hello.client);
    EXPECT_EQ(hello_2->snapshot, hello.snapshot);
    EXPECT_TRUE(hello_2->read_only);
    EXPECT_EQ(hello_2->name_view(), std::string(127, 'n'));
    const auto grant = Grant::decode(encode(Grant{7, {Chunk{1}, 2}, Epoch{3}, Status::io}));
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->status, Status::io);
    EXPECT_EQ(grant->range.count, 2u);
    ExtentsBuffer buffer;
    const std::array<Extent, 2> extents{Extent{Chunk{4}, 2, Extent::Kind::store, snapstore::Sectors{64}},
                                        Extent{Chunk{6}, 1, Extent::Kind::origin, {}}};
    const auto answer = Extents::decode(encode_extents(8, Status::ok, extents, buffer));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->count, 2u);
    EXPECT_EQ(answer->extent[0].sector.value, 64u);
    EXPECT_EQ(answer->extent[1].kind, Extent::Kind::origin);
}

TEST(WireTest, BadFieldsAreErrors)
{
    EXPECT_FALSE(Request::decode(encode(Request{Type::write, 0, {Chunk{0}, 1}, {}})));
    EXPECT_FALSE(Request::decode(encode(Request{Type::write, 1, {Chunk{0}, 0}, {}})));
    EXPECT_FALSE(Request::decode(encode(Request{Type::write, 1, {Chunk{0}, DDSNAP_MAX_RANGE + 1}, {}})));
    EXPECT_FALSE(Request::decode(encode(Request{Type::write, 1, {Chunk{~std::uint64_t{0}}, 1}, {}})));
    ExtentsBuffer buffer;
    const std::array<Extent, 2> gap{Extent{Chunk{4}, 2, Extent::Kind::zero, {}},
                                    Extent{Chunk{7}, 1, Extent::Kind::zero, {}}};
    EXPECT_FALSE(Extents::decode(encode_extents(8, Status::ok, gap, buffer)));
    EXPECT_FALSE(Extents::decode(encode_extents(8, Status::ok, {}, buffer)));
    EXPECT_TRUE(Extents::decode(encode_extents(8, Status::io, {}, buffer)));
}

TEST(WireTest, ReaderCutsAnyPieces)
{
    std::mt19937_64 random(3);
    std::vector<std::byte> stream;
    for (std::uint64_t i = 1; i <= 500; ++i) {
        const auto m = encode(Request{Type::write, i, {Chunk{i}, 1}, {}});
        stream.insert(stream.end(), m.begin(), m.end());
    }
    MessageReader reader;
    std::uint64_t next_id = 1;
    for (std::size_t at = 0; at < stream.size();) {
        const std::size_t n = std::min<std::size_t>(1 + random() % 100, stream.size() - at);
        reader.feed(std::span(stream).subspan(at, n));
        at += n;
        while (const auto message = reader.next()) {
            const auto request = Request::decode(*message);
            ASSERT_TRUE(request);
            EXPECT_EQ(request->id, next_id++);
        }
        ASSERT_EQ(reader.error(), nullptr);
    }
    EXPECT_EQ(next_id, 501u);
}

TEST(WireTest, GarbageIsAnErrorOrAMessage)
{
    std::mt19937_64 random(4);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::byte> garbage(random() % 600);
        for (auto& b : garbage) {
            b = static_cast<std::byte>(random());
        }
        if (garbage.size() >= 8 && random() % 2 == 0) { // a plausible header
            ddsnap_header h{};
            h.length = static_cast<__le32>(garbage.size());
            h.type = static_cast<__le16>(1 + random() % DDSNAP_BYE_ACK);
            std::memcpy(garbage.data(), &h, std::min(garbage.size(), sizeof h));
        }
        MessageReader reader;
        reader.feed(garbage);
        while (const auto m = reader.next()) {
            (void)Hello::decode(*m);
            (void)Welcome::decode(*m);
            (void)Refused::decode(*m);
            (void)Request::decode(*m);
            (void)Grant::decode(*m);
            (void)EpochMessage::decode(*m);
            (void)Extents::decode(*m);
            (void)Bare::decode(*m);
        }
    }
}

} // namespace
} // namespace ddsnap::wire
