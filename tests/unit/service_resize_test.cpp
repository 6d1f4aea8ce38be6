// SPDX-License-Identifier: GPL-2.0
// Resizing with clients connected: who may be longer than the origin, and for how long its end is needed.
#include "tests/unit/service_world.h"

namespace ddsnap::test {
namespace {

using Code = ServiceError::Code;
using snapstore::Sectors;

constexpr Sectors kWhole{8192}; // 256 chunks of 16 KiB
constexpr Sectors kHalf{4096};

class ResizeServiceTest : public ServiceWorld {
protected:
    wire::Hello hello_of(Sectors sectors, std::uint8_t id = 1)
    {
        auto message = hello(wire::Role::origin, id);
        message.sectors = sectors;
        return message;
    }
    ServiceResult<void> resize(Sectors size)
    {
        auto pending = begin(service->resize_origin(size));
        run();
        EXPECT_TRUE(pending->done());
        return pending->done() ? *pending->result : tl::unexpected(ServiceError{Code::failed, "not done"});
    }
    // Says BYE, and is gone.
    void leave(FakeClient& client)
    {
        say(client, wire::encode(wire::Bare{Type::bye, 1}));
        run();
        EXPECT_EQ(client.peek(), Type::bye_ack);
    }
};

TEST_F(ResizeServiceTest, AShorterClientGoesOn)
{
    ASSERT_TRUE(resize(kHalf));
    FakeClient origin;
    open(origin, hello_of(kHalf));
    ASSERT_TRUE(resize(kWhole));
    EXPECT_FALSE(origin.closed);
    auto creating = begin_create();
    run();
    held(origin);
    run();
    ASSERT_TRUE(creating->done() && *creating->result);
    EXPECT_EQ((*creating->result)->size, kWhole);
    origin.received.clear();
    request(origin, Type::write, 1, {Chunk{0}, 4}, service->store().epoch());
    run();
    EXPECT_EQ(origin.take<wire::Grant>().status, Status::ok);
}

TEST_F(ResizeServiceTest, NoClientIsLongerThanAShrunkOrigin)
{
    FakeClient origin;
    open(origin, hello_of(kWhole));
    const auto refused = resize(kHalf);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    drop(origin);
    const auto away = resize(kHalf);
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, Code::detached);
    FakeClient shorter;
    open(shorter, hello_of(kHalf));
    EXPECT_TRUE(resize(kHalf));
    leave(shorter);
    FakeClient longer;
    connect(longer, hello_of(kWhole, 2));
    run();
    EXPECT_EQ(longer.take<wire::Refused>().reason, Status::size);
}

TEST_F(ResizeServiceTest, NoClientIsWelcomedThatTheNewEndWouldCut)
{
    create();
    auto pending = begin(service->resize_origin(kHalf));
    FakeClient origin;
    connect(origin, hello_of(kWhole)); // while the end is being copied
    EXPECT_EQ(origin.take<wire::Refused>().reason, Status::size);
    run();
    EXPECT_TRUE(pending->done() && *pending->result);
}

TEST_F(ResizeServiceTest, ShrinkWaitsForReaders)
{
    const auto id = create();
    FakeClient reader;
    open_snapshot(reader, id, 5);
    request(reader, Type::snap_read, 10, {Chunk{200}, 4});
    run();
    ASSERT_EQ(reader.take<wire::Extents>().extent[0].kind, snapstore::Extent::Kind::origin);
    auto pending = begin(service->resize_origin(kHalf));
    run();
    EXPECT_FALSE(pending->done()) << "the reader still reads the end";
    say(reader, wire::encode(wire::Bare{Type::unlock, 10}));
    run();
    ASSERT_TRUE(pending->done());
    EXPECT_TRUE(*pending->result);
    request(reader, Type::snap_read, 11, {Chunk{200}, 4});
    run();
    EXPECT_EQ(reader.take<wire::Extents>().extent[0].kind, snapstore::Extent::Kind::store);
}

TEST_F(ResizeServiceTest, ShrinkingAndSnapshotsExcludeEachOther)
{
    create();
    auto shrinking = begin(service->resize_origin(kHalf));
    auto creating = begin_create();
    ASSERT_TRUE(creating->done());
    EXPECT_EQ(creating->result->error().code, Code::busy);
    run();
    EXPECT_TRUE(shrinking->done() && *shrinking->result);
    FakeClient origin;
    open(origin, hello_of(kHalf));
    creating = begin_create();
    run();
    const auto refused = resize(kWhole);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    held(origin);
    run();
    ASSERT_TRUE(creating->done() && *creating->result);
    EXPECT_EQ((*creating->result)->size, kHalf);
}

} // namespace
} // namespace ddsnap::test
