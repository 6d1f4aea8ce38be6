// SPDX-License-Identifier: GPL-2.0
// The side of a snapshot's reader or writer: where its I/O goes, and which locks it holds.
#include "ddsnapd/client/snapshot_client.h"
#include "tests/unit/client_world.h"

namespace ddsnap::client::test {
namespace {

struct Io final : SnapshotIo {
    Io(ChunkRange chunks, bool is_write = false) : SnapshotIo(chunks, is_write) {}
    void perform(std::span<const Extent> places) override { extents.assign(places.begin(), places.end()); }
    void done(Status how) override
    {
        ended = true;
        status = how;
    }
    bool performing() const { return !extents.empty(); }

    std::vector<Extent> extents; // not empty: to be done
    bool ended = false;
    Status status = Status::ok;
};

class SnapshotClientTest : public testing::Test {
protected:
    void answer(std::uint64_t id, const Extent& extent)
    {
        wire::ExtentsBuffer buffer;
        client.on_bytes(wire::encode_extents(id, Status::ok, {&extent, 1}, buffer));
    }
    void perform(Io& io)
    {
        io.extents.clear();
        client.performed(io, Status::ok);
    }
    static Extent on_origin(std::uint64_t first, std::uint32_t count)
    {
        return {Chunk{first}, count, Extent::Kind::origin, {}};
    }
    static Extent in_store(std::uint64_t first, std::uint32_t count)
    {
        return {Chunk{first}, count, Extent::Kind::store, snapstore::Sectors{512}};
    }

    SnapshotClient client{snapstore::SnapshotId{2}, options()};
    FakeDaemon daemon;
};

TEST_F(SnapshotClientTest, UnlockFollowsTheReadOfTheOrigin)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 2});
    client.submit(io);
    const auto request = daemon.take<wire::Request>();
    EXPECT_EQ(request.type, Type::snap_read);
    answer(request.id, on_origin(4, 2));
    ASSERT_TRUE(io.performing());
    EXPECT_TRUE(daemon.heard.empty()); // locked while it is read
    perform(io);
    const auto unlock = daemon.take<wire::Bare>();
    EXPECT_EQ(unlock.type, Type::unlock);
    EXPECT_EQ(unlock.id, request.id);
    EXPECT_TRUE(io.ended);
}

TEST_F(SnapshotClientTest, WhatTheAnswerLacksIsAskedFor)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 4});
    client.submit(io);
    answer(daemon.take<wire::Request>().id, in_store(4, 1));
    perform(io);
    EXPECT_FALSE(io.ended);
    const auto rest = daemon.take<wire::Request>();
    EXPECT_EQ(rest.range, (ChunkRange{Chunk{5}, 3}));
    answer(rest.id, in_store(5, 3));
    perform(io);
    EXPECT_TRUE(io.ended);
    EXPECT_TRUE(daemon.heard.empty()); // no lock, no UNLOCK
}

TEST_F(SnapshotClientTest, ALockedAnswerKeepsItsCredit)
{
    welcome(client, daemon, Epoch{3});
    std::vector<std::unique_ptr<Io>> all;
    for (std::uint64_t c = 0; c < 5; ++c) {
        all.push_back(std::make_unique<Io>(ChunkRange{Chunk{c}, 1}));
        client.submit(*all.back());
    }
    EXPECT_EQ(daemon.heard.size(), 4U);
    answer(daemon.take<wire::Request>().id, on_origin(0, 1));
    EXPECT_EQ(daemon.heard.size(), 3U);
    perform(*all[0]);
    EXPECT_EQ(daemon.heard.size(), 5U); // UNLOCK, and the fifth request
}

TEST_F(SnapshotClientTest, LocksDieWithTheSession)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 2});
    client.submit(io);
    answer(daemon.take<wire::Request>().id, on_origin(4, 2));
    client.disconnected();
    FakeDaemon next;
    welcome(client, next, Epoch{3});
    EXPECT_TRUE(next.heard.empty()); // the read is still under way
    perform(io);
    // What was read may have been overwritten: it is read again, and nothing is unlocked in the new session.
    EXPECT_FALSE(io.ended);
    const auto again = next.take<wire::Request>();
    EXPECT_EQ(again.type, Type::snap_read);
    EXPECT_EQ(again.range, io.range);
    EXPECT_TRUE(next.heard.empty());
    answer(again.id, in_store(4, 2));
    perform(io);
    EXPECT_TRUE(io.ended);
}

TEST_F(SnapshotClientTest, AReadThatEndsWithoutADaemonIsDoneAgain)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 2});
    client.submit(io);
    answer(daemon.take<wire::Request>().id, in_store(4, 2)); // its place may be another's by now
    client.disconnected();
    perform(io);
    EXPECT_FALSE(io.ended);
    FakeDaemon next;
    welcome(client, next, Epoch{3});
    EXPECT_EQ(next.take<wire::Request>().range, io.range);
}

// The daemon may use the place otherwise from the moment on in which it closes.
TEST_F(SnapshotClientTest, AReadThatEndsAfterTheDaemonClosedIsDoneAgain)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 2});
    client.submit(io);
    answer(daemon.take<wire::Request>().id, in_store(4, 2));
    daemon.closed = true;
    perform(io);
    EXPECT_FALSE(io.ended);
    client.disconnected();
    FakeDaemon next;
    welcome(client, next, Epoch{3});
    EXPECT_EQ(next.take<wire::Request>().range, io.range);
}

// Whoever is told DRAINED moves what the client writes to.
TEST_F(SnapshotClientTest, SaysWhetherItIsDrained)
{
    EXPECT_EQ(welcome(client, daemon, Epoch{3}).features, DDSNAP_FEATURE_DRAINED);
    Io io({Chunk{4}, 2});
    client.submit(io);
    answer(daemon.take<wire::Request>().id, in_store(4, 2));
    client.disconnected();
    FakeDaemon next;
    EXPECT_EQ(welcome(client, next, Epoch{3}).features, 0U);
    client.disconnected();
    perform(io);
    FakeDaemon last;
    EXPECT_EQ(welcome(client, last, Epoch{3}).features, DDSNAP_FEATURE_DRAINED);
}

TEST_F(SnapshotClientTest, AnswersOfADeadSessionAreDropped)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 2});
    client.submit(io);
    const auto old = daemon.take<wire::Request>();
    client.disconnected();
    answer(old.id, on_origin(4, 2));
    EXPECT_FALSE(io.performing());
    FakeDaemon next;
    welcome(client, next, Epoch{3});
    const auto again = next.take<wire::Request>();
    EXPECT_EQ(again.range, old.range);
    EXPECT_NE(again.id, old.id);
    answer(old.id, in_store(4, 2)); // by the id, nobody's answer
    EXPECT_FALSE(io.performing());
}

TEST_F(SnapshotClientTest, TheLockOfAWithdrawnReadIsGivenBack)
{
    welcome(client, daemon, Epoch{3});
    Io io({Chunk{4}, 2});
    client.submit(io);
    const auto request = daemon.take<wire::Request>();
    client.withdraw(io);
    answer(request.id, on_origin(4, 2));
    EXPECT_EQ(daemon.take<wire::Bare>().id, request.id);
    EXPECT_FALSE(io.ended);
}

TEST_F(SnapshotClientTest, InvalidIsAcknowledgedWhenNoExtentIsInUse)
{
    welcome(client, daemon, Epoch{3});
    Io reading({Chunk{4}, 2});
    Io waiting({Chunk{8}, 2});
    client.submit(reading);
    client.submit(waiting);
    answer(daemon.take<wire::Request>().id, in_store(4, 2));
    (void)daemon.take<wire::Request>();
    client.on_bytes(wire::encode(wire::Bare{Type::invalid, 0}));
    EXPECT_TRUE(waiting.ended);
    EXPECT_EQ(waiting.status, Status::squashed);
    EXPECT_TRUE(daemon.heard.empty());
    perform(reading);
    EXPECT_EQ(reading.status, Status::squashed);
    EXPECT_EQ(daemon.take<wire::Bare>().type, Type::invalid_ack);
    Io late({Chunk{0}, 1});
    client.submit(late);
    EXPECT_EQ(late.status, Status::squashed);
}

// A snapshot's writer has no business on the origin, whatever the daemon says.
TEST_F(SnapshotClientTest, AWriteGoesToTheStoreOrNowhere)
{
    for (const auto kind : {Extent::Kind::origin, Extent::Kind::zero}) {
        FakeDaemon connection;
        welcome(client, connection, Epoch{3});
        Io io({Chunk{4}, 2}, true);
        client.submit(io);
        const auto request = connection.take<wire::Request>();
        EXPECT_EQ(request.type, Type::snap_write);
        answer(request.id, Extent{Chunk{4}, 2, kind, {}});
        EXPECT_FALSE(io.performing());
        EXPECT_FALSE(connection.reason.empty());
        client.withdraw(io);
    }
}

} // namespace
} // namespace ddsnap::client::test
