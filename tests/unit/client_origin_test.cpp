// SPDX-License-Identifier: GPL-2.0
// The origin's side of the protocol: when a write may go to the disk.
#include "ddsnapd/client/origin_client.h"
#include "tests/unit/client_world.h"

namespace ddsnap::client::test {
namespace {

struct Write final : OriginWrite {
    using OriginWrite::OriginWrite;
    void issue() override { issued = true; }
    void failed(Status why) override { status = why; }
    bool waits() const { return !issued && status == Status::ok; }

    bool issued = false;
    Status status = Status::ok;
};

class OriginClientTest : public testing::Test {
protected:
    void grant(FakeDaemon& to, const wire::Request& request, Status status = Status::ok)
    {
        (void)to;
        client.on_bytes(wire::encode(wire::Grant{request.id, request.range, request.epoch, status}));
    }
    void tell(Type type, Epoch epoch, std::uint32_t flags = 0)
    {
        client.on_bytes(wire::encode(wire::EpochMessage{type, 0, epoch, flags}));
    }

    OriginClient client{100, options()};
    FakeDaemon daemon;
};

TEST_F(OriginClientTest, AWriteGoesWhenAllOfItIsGranted)
{
    welcome(client, daemon, Epoch{3});
    Write write({Chunk{4}, 10}); // more than a request may name
    client.submit(write);
    const auto first = daemon.take<wire::Request>();
    EXPECT_EQ(first.range, (ChunkRange{Chunk{4}, 8}));
    EXPECT_EQ(first.epoch, Epoch{3});
    grant(daemon, first);
    EXPECT_TRUE(write.waits());
    const auto second = daemon.take<wire::Request>();
    EXPECT_EQ(second.range, (ChunkRange{Chunk{12}, 2}));
    grant(daemon, second);
    EXPECT_TRUE(write.issued);
    client.completed(write);
    Write again({Chunk{5}, 3});
    client.submit(again); // granted: nobody is asked
    EXPECT_TRUE(again.issued);
    EXPECT_TRUE(daemon.heard.empty());
}

TEST_F(OriginClientTest, AWelcomeOfWhatWasNotOfferedIsRefused)
{
    for (const bool version : {true, false}) {
        FakeDaemon other;
        client.connected(other);
        const auto hello = other.take<wire::Hello>();
        EXPECT_EQ(hello.version, DDSNAP_VERSION);
        EXPECT_EQ(hello.features, DDSNAP_FEATURES);
        wire::Welcome m;
        m.id = hello.id;
        m.version = version ? DDSNAP_VERSION + 1 : DDSNAP_VERSION;
        m.features = version ? 0 : std::uint64_t{1} << 40;
        m.chunk_shift = 14;
        m.credits = 4;
        m.max_range = 8;
        client.on_bytes(wire::encode(m));
        EXPECT_NE(other.reason.find("not offered"), std::string::npos) << other.reason;
        client.disconnected();
    }
}

TEST_F(OriginClientTest, NoMoreRequestsThanCredits)
{
    welcome(client, daemon, Epoch{1});
    std::vector<std::unique_ptr<Write>> writes;
    for (std::uint64_t c = 0; c < 6; ++c) {
        writes.push_back(std::make_unique<Write>(ChunkRange{Chunk{c}, 1}));
        client.submit(*writes.back());
    }
    EXPECT_EQ(daemon.heard.size(), 4U);
    grant(daemon, daemon.take<wire::Request>());
    EXPECT_TRUE(writes[0]->issued);
    EXPECT_EQ(daemon.heard.size(), 4U);
}

TEST_F(OriginClientTest, ReconnectAsksAgainForWhatIsUnanswered)
{
    welcome(client, daemon, Epoch{3});
    Write answered({Chunk{1}, 1});
    Write open({Chunk{2}, 2});
    client.submit(answered);
    client.submit(open);
    grant(daemon, daemon.take<wire::Request>());
    const auto before = daemon.take<wire::Request>();
    client.disconnected();
    FakeDaemon next;
    const auto hello = welcome(client, next, Epoch{3});
    EXPECT_EQ(hello.epoch, Epoch{3}); // it has grants
    EXPECT_EQ(hello.client, options().client);
    const auto again = next.take<wire::Request>();
    EXPECT_EQ(again.range, before.range);
    EXPECT_NE(again.id, before.id);
    EXPECT_TRUE(next.heard.empty());
    grant(next, again);
    EXPECT_TRUE(open.issued);
}

TEST_F(OriginClientTest, WhatWasSubmittedWithoutADaemonIsAskedForOnWelcome)
{
    Write write({Chunk{2}, 2});
    client.submit(write);
    welcome(client, daemon, Epoch{3});
    EXPECT_EQ(daemon.take<wire::Request>().range, write.range);
}

TEST_F(OriginClientTest, GrantsOutliveTheSession)
{
    welcome(client, daemon, Epoch{3});
    Write write({Chunk{1}, 1});
    client.submit(write);
    grant(daemon, daemon.take<wire::Request>());
    client.completed(write);
    client.disconnected();
    Write without_daemon({Chunk{1}, 1});
    client.submit(without_daemon);
    EXPECT_TRUE(without_daemon.issued);
    client.completed(without_daemon);
    FakeDaemon next;
    welcome(client, next, Epoch{4}); // a snapshot was taken meanwhile
    EXPECT_FALSE(client.granted({Chunk{1}, 1}));
}

TEST_F(OriginClientTest, AnswersOfADeadSessionAreDropped)
{
    welcome(client, daemon, Epoch{3});
    Write write({Chunk{1}, 1});
    client.submit(write);
    const auto old = daemon.take<wire::Request>();
    client.disconnected();
    grant(daemon, old); // was still in the socket
    EXPECT_TRUE(write.waits());
    EXPECT_FALSE(client.granted(write.range));
}

TEST_F(OriginClientTest, HalfAMessageOfADeadSessionIsForgotten)
{
    welcome(client, daemon, Epoch{3});
    const auto state = wire::encode(wire::EpochMessage{Type::state, 0, Epoch{3}, DDSNAP_FLAG_NO_SNAPSHOTS});
    client.on_bytes(std::span(state).first(9));
    client.disconnected();
    FakeDaemon next;
    welcome(client, next, Epoch{3}); // would be taken for the rest of STATE
    EXPECT_TRUE(next.reason.empty());
    EXPECT_FALSE(client.no_snapshots());
}

TEST_F(OriginClientTest, AGrantOfAnotherEpochIsNone)
{
    welcome(client, daemon, Epoch{3});
    Write write({Chunk{1}, 1});
    client.submit(write);
    auto request = daemon.take<wire::Request>();
    tell(Type::resume, Epoch{4});
    const auto again = daemon.take<wire::Request>();
    EXPECT_EQ(again.epoch, Epoch{4});
    grant(daemon, request);
    EXPECT_TRUE(write.waits());
    grant(daemon, again);
    EXPECT_TRUE(write.issued);
}

TEST_F(OriginClientTest, ARefusalFailsItsWriteOnly)
{
    welcome(client, daemon, Epoch{3});
    Write bad({Chunk{1}, 1});
    Write good({Chunk{2}, 1});
    client.submit(bad);
    client.submit(good);
    grant(daemon, daemon.take<wire::Request>(), Status::no_space);
    EXPECT_EQ(bad.status, Status::no_space);
    EXPECT_FALSE(bad.issued);
    EXPECT_FALSE(client.granted(bad.range));
    grant(daemon, daemon.take<wire::Request>());
    EXPECT_TRUE(good.issued);
}

TEST_F(OriginClientTest, HeldIsSaidWhenTheLastWriteHasEnded)
{
    welcome(client, daemon, Epoch{3}, DDSNAP_FLAG_NO_SNAPSHOTS);
    Write first({Chunk{1}, 1});
    Write second({Chunk{2}, 1});
    client.submit(first);
    client.submit(second);
    EXPECT_TRUE(first.issued && second.issued);
    tell(Type::hold, Epoch{3});
    EXPECT_TRUE(daemon.heard.empty());
    client.completed(first);
    EXPECT_TRUE(daemon.heard.empty());
    client.completed(second);
    const auto held = daemon.take<wire::EpochMessage>();
    EXPECT_EQ(held.type, Type::held);
    EXPECT_EQ(held.epoch, Epoch{3});
}

TEST_F(OriginClientTest, NothingIsIssuedOrAskedBetweenHoldAndResume)
{
    welcome(client, daemon, Epoch{3}, DDSNAP_FLAG_NO_SNAPSHOTS);
    tell(Type::hold, Epoch{3});
    EXPECT_EQ(daemon.take<wire::EpochMessage>().type, Type::held);
    Write write({Chunk{1}, 1});
    client.submit(write);
    EXPECT_TRUE(write.waits());
    EXPECT_TRUE(daemon.heard.empty());
    tell(Type::resume, Epoch{4});
    EXPECT_TRUE(write.waits()); // shared with the snapshot now
    grant(daemon, daemon.take<wire::Request>());
    EXPECT_TRUE(write.issued);
}

TEST_F(OriginClientTest, AHoldTakenBackLeavesTheGrants)
{
    welcome(client, daemon, Epoch{3});
    Write write({Chunk{1}, 1});
    client.submit(write);
    grant(daemon, daemon.take<wire::Request>());
    tell(Type::hold, Epoch{3}); // the write is still in flight: no HELD
    tell(Type::resume, Epoch{3});
    client.completed(write);
    EXPECT_TRUE(daemon.heard.empty()); // not HELD any more
    Write again({Chunk{1}, 1});
    client.submit(again);
    EXPECT_TRUE(again.issued);
}

TEST_F(OriginClientTest, TheGateStaysClosedFromHoldToTheNextWelcome)
{
    welcome(client, daemon, Epoch{3}, DDSNAP_FLAG_NO_SNAPSHOTS);
    tell(Type::hold, Epoch{3});
    EXPECT_EQ(daemon.take<wire::EpochMessage>().type, Type::held);
    client.disconnected();
    Write write({Chunk{1}, 1});
    client.submit(write);
    EXPECT_TRUE(client.held());
    EXPECT_TRUE(write.waits()); // the daemon may be committing the snapshot
    FakeDaemon next;
    client.connected(next);
    EXPECT_TRUE(write.waits());
    const auto hello = next.take<wire::Hello>();
    wire::Welcome m;
    m.id = hello.id;
    m.chunk_shift = 14;
    m.epoch = Epoch{4};
    m.credits = 4;
    m.max_range = 8;
    client.on_bytes(wire::encode(m));
    EXPECT_FALSE(client.held());
    EXPECT_TRUE(write.waits());
    grant(next, next.take<wire::Request>());
    EXPECT_TRUE(write.issued);
}

// HELD answers a HOLD of this session: the one that came before the disconnection is nobody's any more.
TEST_F(OriginClientTest, HeldIsNotOwedToTheNextSession)
{
    welcome(client, daemon, Epoch{3}, DDSNAP_FLAG_NO_SNAPSHOTS);
    Write write({Chunk{1}, 1});
    client.submit(write);
    tell(Type::hold, Epoch{3});
    client.disconnected();
    FakeDaemon next;
    welcome(client, next, Epoch{3}, DDSNAP_FLAG_NO_SNAPSHOTS);
    client.completed(write);
    EXPECT_TRUE(next.heard.empty());
}

TEST_F(OriginClientTest, NonsenseEndsTheSessionNotTheClient)
{
    welcome(client, daemon, Epoch{3});
    Write write({Chunk{1}, 1});
    client.submit(write);
    tell(Type::hold, Epoch{9});
    EXPECT_FALSE(daemon.reason.empty());
    EXPECT_EQ(client.state(), ProtocolClient::State::disconnected);
    FakeDaemon next;
    welcome(client, next, Epoch{3});
    EXPECT_EQ(next.take<wire::Request>().range, write.range);
}

} // namespace
} // namespace ddsnap::client::test
