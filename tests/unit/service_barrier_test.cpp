// SPDX-License-Identifier: GPL-2.0
// Epochs: HOLD, HELD, RESUME, attachments.
#include "tests/unit/service_world.h"

namespace ddsnap::test {
namespace {

using Code = ServiceError::Code;

class BarrierTest : public ServiceWorld {
protected:
    // Takes a snapshot with `client` attached; leaves RESUME consumed.
    SnapshotId create_with(FakeClient& client)
    {
        auto pending = begin_create();
        run();
        held(client);
        run();
        EXPECT_TRUE(pending->done() && *pending->result);
        EXPECT_EQ(client.take<wire::EpochMessage>().type, Type::resume);
        return (*pending->result)->id;
    }
};

TEST_F(BarrierTest, CreateWaitsForHeld)
{
    FakeClient origin;
    const auto welcome = open_origin(origin);
    EXPECT_EQ(welcome.flags, DDSNAP_FLAG_NO_SNAPSHOTS);
    auto pending = begin_create();
    run();
    EXPECT_FALSE(pending->done());
    ASSERT_EQ(origin.received.size(), 1u);
    held(origin);
    run();
    ASSERT_TRUE(pending->done());
    ASSERT_TRUE(*pending->result);
    const auto resume = origin.take<wire::EpochMessage>();
    EXPECT_EQ(resume.type, Type::resume);
    EXPECT_EQ(resume.epoch.value, welcome.epoch.value + 1);
    EXPECT_EQ(resume.flags, 0u); // the client must ask from now on
}

TEST_F(BarrierTest, CreateTimesOutAndResumesTheOldEpoch)
{
    FakeClient origin;
    const auto welcome = open_origin(origin);
    auto pending = begin_create(500);
    tick(499);
    EXPECT_FALSE(pending->done());
    tick(1);
    ASSERT_TRUE(pending->done());
    EXPECT_EQ(pending->result->error().code, Code::timeout);
    EXPECT_EQ(origin.take<wire::EpochMessage>().type, Type::hold);
    const auto resume = origin.take<wire::EpochMessage>();
    EXPECT_EQ(resume.epoch, welcome.epoch);
    EXPECT_EQ(resume.flags, DDSNAP_FLAG_NO_SNAPSHOTS);
}

// HELD may cross with the RESUME that takes the HOLD back. It must not count for the next HOLD.
TEST_F(BarrierTest, StrayHeldIsNotTakenForAnAnswer)
{
    FakeClient origin;
    const auto welcome = open_origin(origin);
    auto first = begin_create(100);
    tick(100);
    ASSERT_TRUE(first->done());
    origin.received.clear();
    auto second = begin_create(1000);
    run();
    EXPECT_TRUE(origin.closed); // nobody can tell which HOLD a HELD would answer
    EXPECT_FALSE(second->done());
    open_origin(origin);
    held(origin);
    run();
    ASSERT_TRUE(second->done());
    EXPECT_TRUE(*second->result);
    EXPECT_EQ(service->store().epoch().value, welcome.epoch.value + 1);
}

TEST_F(BarrierTest, LateHeldIsForgiven)
{
    FakeClient origin;
    const auto welcome = open_origin(origin);
    auto first = begin_create(100);
    tick(100);
    origin.received.clear();
    say(origin, wire::encode(wire::EpochMessage{Type::held, 0, welcome.epoch, 0}));
    EXPECT_FALSE(origin.closed);
    auto second = begin_create();
    run();
    EXPECT_FALSE(second->done()); // the late HELD did not count
    held(origin);
    run();
    EXPECT_TRUE(second->done() && *second->result);
}

TEST_F(BarrierTest, CreateFailsWhileTheClientIsAway)
{
    FakeClient origin;
    open_origin(origin);
    drop(origin);
    auto pending = begin_create(500);
    tick(499);
    EXPECT_FALSE(pending->done());
    tick(1);
    ASSERT_TRUE(pending->done());
    EXPECT_EQ(pending->result->error().code, Code::detached);
}

TEST_F(BarrierTest, CreateWaitsForTheReturn)
{
    FakeClient origin;
    open_origin(origin);
    drop(origin);
    auto pending = begin_create(500);
    tick(100);
    open_origin(origin);
    held(origin); // HOLD follows WELCOME at once
    run();
    EXPECT_TRUE(pending->done() && *pending->result);
}

TEST_F(BarrierTest, CreateGoesOnWithoutAClientThatIsGone)
{
    FakeClient origin;
    open_origin(origin);
    drop(origin);
    probe.gone.push_back(hello(wire::Role::origin, 1).client);
    auto pending = begin_create(500);
    run();
    ASSERT_TRUE(pending->done());
    EXPECT_TRUE(*pending->result);
    EXPECT_TRUE(service->store().clients().attachments().empty());
}

TEST_F(BarrierTest, AttachmentOutlivesTheDaemon)
{
    FakeClient origin;
    open_origin(origin);
    origin_disk.abandon();
    store_disk.abandon();
    service.reset();
    origin_disk.restore();
    store_disk.restore();
    start();
    auto pending = begin_create(500);
    tick(500);
    ASSERT_TRUE(pending->done());
    EXPECT_EQ(pending->result->error().code, Code::detached);
}

TEST_F(BarrierTest, AttachmentIsDurableBeforeWelcome)
{
    FakeClient origin;
    connect(origin, hello(wire::Role::origin, 1));
    while (origin.received.empty()) {
        ASSERT_TRUE(service->store().clients().attachments().empty() || !origin.received.empty() || step());
        if (!step()) {
            break;
        }
    }
    ASSERT_EQ(origin.peek(), Type::welcome);
    EXPECT_EQ(service->store().clients().attachments().size(), 1u);
    store_disk.power_cut();
    service.reset();
    store_disk.restore();
    start();
    EXPECT_EQ(service->store().clients().attachments().size(), 1u);
}

TEST_F(BarrierTest, ByeForgetsTheClientBeforeItIsAcknowledged)
{
    FakeClient origin;
    open_origin(origin);
    say(origin, wire::encode(wire::Bare{Type::bye, 5}));
    EXPECT_TRUE(origin.received.empty());
    run();
    EXPECT_EQ(origin.take<wire::Bare>().type, Type::bye_ack);
    EXPECT_TRUE(origin.closed);
    EXPECT_TRUE(service->store().clients().attachments().empty());
    create(); // needs nobody
}

TEST_F(BarrierTest, NobodyIsWelcomedDuringACommit)
{
    auto pending = begin_create(); // nobody is attached: commits at once
    FakeClient origin;
    connect(origin, hello(wire::Role::origin, 1));
    while (!pending->done()) {
        EXPECT_TRUE(origin.received.empty());
        ASSERT_TRUE(step());
    }
    run();
    const auto welcome = origin.take<wire::Welcome>();
    EXPECT_EQ(welcome.epoch, service->store().epoch());
    EXPECT_EQ(welcome.flags, 0u);
}

// The journal's write or its flush fails: the snapshot's record may be on disk or not. Whoever went on
// writing under the old epoch's grants would overwrite what a restarted daemon believes to be shared.
TEST_F(BarrierTest, AFailedCommitResumesNobody)
{
    bool recorded[2] = {false, false};
    for (const unsigned failing : {1u, 2u}) {
        FakeClient origin;
        const auto welcome = open_origin(origin);
        const std::size_t snapshots = service->store().snapshots().list().size();
        auto pending = begin_create();
        store_disk.fail_request(failing, true);
        held(origin);
        run();
        ASSERT_TRUE(pending->done());
        ASSERT_FALSE(pending->result->has_value());
        EXPECT_TRUE(origin.closed);
        EXPECT_TRUE(origin.received.empty()); // no RESUME

        FakeClient again;
        connect(again, hello(wire::Role::origin, 1));
        run();
        EXPECT_EQ(again.take<wire::Refused>().reason, Status::io);

        store_disk.fail_request(0);
        service.reset();
        start();
        FakeClient returned;
        const auto now_it_is = open_origin(returned);
        const std::size_t more = service->store().snapshots().list().size() - snapshots;
        EXPECT_EQ(now_it_is.epoch.value - welcome.epoch.value, more);
        recorded[failing - 1] = more == 1;
        drop(returned);
    }
    EXPECT_FALSE(recorded[0]);
    EXPECT_TRUE(recorded[1]); // the case that makes it necessary
}

TEST_F(BarrierTest, SecondOriginClientIsRefused)
{
    FakeClient first;
    FakeClient second;
    open_origin(first, 1);
    connect(second, hello(wire::Role::origin, 2));
    run();
    EXPECT_EQ(second.take<wire::Refused>().reason, Status::busy);
    drop(first);
    connect(second, hello(wire::Role::origin, 2));
    run();
    EXPECT_EQ(second.take<wire::Refused>().reason, Status::busy); // away, not gone
    probe.gone.push_back(hello(wire::Role::origin, 1).client);
    open_origin(second, 2);
    EXPECT_EQ(service->store().clients().attachments().size(), 1u);
}

// A new table of the same mapped device: the old one is suspended for good.
TEST_F(BarrierTest, ANewTableReplacesTheOldOne)
{
    FakeClient client;
    auto m = hello(wire::Role::origin, 1);
    m.kind = wire::Kind::kernel;
    m.major = 253;
    m.minor = 4;
    open(client, m);
    drop(client);
    m.client.fill(std::byte{2});
    open(client, m);
    ASSERT_EQ(service->store().clients().attachments().size(), 1u);
    EXPECT_EQ(service->store().clients().attachments().front().client, m.client);
}

TEST_F(BarrierTest, LastSnapshotGoneIsTold)
{
    FakeClient origin;
    open_origin(origin);
    const auto id = create_with(origin);
    auto removed = begin(service->remove(id, false));
    run();
    ASSERT_TRUE(removed->done() && *removed->result);
    const auto state = origin.take<wire::EpochMessage>();
    EXPECT_EQ(state.type, Type::state);
    EXPECT_EQ(state.flags, DDSNAP_FLAG_NO_SNAPSHOTS);
    // ... and taken back by the next snapshot
    auto pending = begin_create();
    run();
    held(origin);
    run();
    EXPECT_TRUE(pending->done());
    EXPECT_EQ(origin.take<wire::EpochMessage>().flags, 0u);
}

TEST_F(BarrierTest, CreatesTakeTurns)
{
    FakeClient origin;
    open_origin(origin);
    auto first = begin_create();
    auto second = begin_create();
    run();
    held(origin);
    run();
    ASSERT_TRUE(first->done() && *first->result);
    EXPECT_FALSE(second->done());
    EXPECT_EQ(origin.take<wire::EpochMessage>().type, Type::resume);
    held(origin);
    run();
    ASSERT_TRUE(second->done() && *second->result);
    EXPECT_NE((*first->result)->epoch, (*second->result)->epoch);
}

TEST_F(BarrierTest, CloseEndsSessionsAndIsClean)
{
    FakeClient origin;
    open_origin(origin);
    auto waiting = begin_create(60'000);
    auto closed = begin(service->close());
    run();
    ASSERT_TRUE(waiting->done());
    EXPECT_EQ(waiting->result->error().code, Code::stopping);
    ASSERT_TRUE(closed->done() && *closed->result);
    EXPECT_TRUE(origin.closed);
}

} // namespace
} // namespace ddsnap::test
