// SPDX-License-Identifier: GPL-2.0
// WRITE and GRANT, snapshot sessions, read locks, squashes, refusals.
#include "tests/unit/service_world.h"

namespace ddsnap::test {
namespace {

class SessionTest : public ServiceWorld {
protected:
    // A snapshot, and an origin client that came after it.
    SnapshotId prepare(FakeClient& origin)
    {
        const auto id = create();
        epoch = open_origin(origin).epoch;
        return id;
    }
    Epoch epoch;
};

TEST_F(SessionTest, GrantFollowsTheCopy)
{
    FakeClient origin;
    prepare(origin);
    request(origin, Type::write, 1, {Chunk{3}, 2}, epoch);
    while (origin.received.empty()) {
        EXPECT_FALSE(service->store().origin().writable({Chunk{3}, 2}));
        ASSERT_TRUE(step());
    }
    EXPECT_TRUE(service->store().origin().writable({Chunk{3}, 2}));
    const auto grant = origin.take<wire::Grant>();
    EXPECT_EQ(grant.id, 1u);
    EXPECT_EQ(grant.status, Status::ok);
    EXPECT_EQ(grant.range, (ChunkRange{Chunk{3}, 2}));
    request(origin, Type::write, 2, {Chunk{4}, 1}, epoch); // known: answered at once
    EXPECT_EQ(origin.take<wire::Grant>().id, 2u);
}

TEST_F(SessionTest, WritesOfAnOldEpochAreDropped)
{
    FakeClient origin;
    prepare(origin);
    request(origin, Type::write, 1, {Chunk{0}, 1}, Epoch{epoch.value - 1});
    run();
    EXPECT_TRUE(origin.received.empty());
    EXPECT_FALSE(origin.closed);
    EXPECT_EQ(service->counters().stale_writes, 1u);
}

TEST_F(SessionTest, GrantWaitsForReaders)
{
    FakeClient origin;
    FakeClient reader;
    const auto id = prepare(origin);
    open_snapshot(reader, id, 5);
    request(reader, Type::snap_read, 10, {Chunk{0}, 4});
    run();
    const auto extents = reader.take<wire::Extents>();
    ASSERT_EQ(extents.count, 1u);
    EXPECT_EQ(extents.extent[0].kind, snapstore::Extent::Kind::origin);
    request(origin, Type::write, 1, {Chunk{3}, 2}, epoch);
    request(origin, Type::write, 2, {Chunk{4}, 1}, epoch); // not locked
    run();
    ASSERT_EQ(origin.received.size(), 1u);
    EXPECT_EQ(origin.take<wire::Grant>().id, 2u);
    // Others read the copy meanwhile.
    request(reader, Type::snap_read, 11, {Chunk{3}, 1});
    run();
    EXPECT_EQ(reader.take<wire::Extents>().extent[0].kind, snapstore::Extent::Kind::store);
    say(reader, wire::encode(wire::Bare{Type::unlock, 10}));
    EXPECT_EQ(origin.take<wire::Grant>().id, 1u);
}

TEST_F(SessionTest, LocksEndWithTheSession)
{
    FakeClient origin;
    FakeClient reader;
    const auto id = prepare(origin);
    open_snapshot(reader, id, 5);
    request(reader, Type::snap_read, 10, {Chunk{0}, 256});
    run();
    request(origin, Type::write, 1, {Chunk{9}, 1}, epoch);
    run();
    EXPECT_TRUE(origin.received.empty());
    drop(reader);
    EXPECT_EQ(origin.take<wire::Grant>().id, 1u);
}

TEST_F(SessionTest, WritersThatWaitForReadersAreForgottenByANewEpoch)
{
    FakeClient origin;
    FakeClient reader;
    const auto id = prepare(origin);
    open_snapshot(reader, id, 5);
    request(reader, Type::snap_read, 10, {Chunk{0}, 1});
    run();
    request(origin, Type::write, 1, {Chunk{0}, 1}, epoch);
    run();
    auto pending = begin_create();
    run();
    held(origin);
    run();
    ASSERT_TRUE(pending->done() && *pending->result);
    const auto resume = origin.take<wire::EpochMessage>();
    EXPECT_EQ(resume.type, Type::resume);
    say(reader, wire::encode(wire::Bare{Type::unlock, 10}));
    run();
    EXPECT_TRUE(origin.received.empty()); // no GRANT for the old epoch's WRITE
    request(origin, Type::write, 2, {Chunk{0}, 1}, resume.epoch);
    run();
    const auto grant = origin.take<wire::Grant>();
    EXPECT_EQ(grant.id, 2u);
    EXPECT_EQ(grant.epoch, resume.epoch);
}

TEST_F(SessionTest, RangesBeyondTheEnd)
{
    FakeClient origin;
    prepare(origin);
    request(origin, Type::write, 1, {Chunk{255}, 2}, epoch); // 256 chunks
    EXPECT_EQ(origin.take<wire::Grant>().status, Status::range);
    request(origin, Type::write, 2, {Chunk{0}, 0}, epoch);
    EXPECT_TRUE(origin.closed);
}

TEST_F(SessionTest, CreditsAreEnforced)
{
    FakeClient origin;
    prepare(origin);
    for (std::uint64_t i = 1; i <= 512; ++i) {
        request(origin, Type::write, i, {Chunk{i % 256}, 1}, epoch);
    }
    EXPECT_FALSE(origin.closed);
    request(origin, Type::write, 513, {Chunk{0}, 1}, epoch);
    EXPECT_TRUE(origin.closed);
    EXPECT_EQ(service->counters().protocol_errors, 1u);
}

TEST_F(SessionTest, AClientThatDoesNotReadIsClosed)
{
    FakeClient origin;
    prepare(origin);
    request(origin, Type::write, 1, {Chunk{0}, 1}, epoch);
    run();
    origin.reads = false;
    request(origin, Type::write, 2, {Chunk{0}, 1}, epoch);
    EXPECT_TRUE(origin.closed);
    EXPECT_EQ(service->counters().slow_clients, 1u);
}

TEST_F(SessionTest, OneWriterPerSnapshotAndNoCacheBesideIt)
{
    const auto id = create();
    FakeClient reader;
    FakeClient writer;
    EXPECT_EQ(open_snapshot(reader, id, 5).flags, DDSNAP_FLAG_MAY_CACHE);
    connect(writer, hello(wire::Role::snapshot, 6, id));
    run();
    EXPECT_EQ(writer.take<wire::Refused>().reason, Status::busy);
    drop(reader);
    EXPECT_EQ(open_snapshot(writer, id, 6, false).flags, DDSNAP_FLAG_MAY_CACHE);
    EXPECT_EQ(open_snapshot(reader, id, 5).flags, 0u);
    FakeClient second;
    connect(second, hello(wire::Role::snapshot, 7, id));
    run();
    EXPECT_EQ(second.take<wire::Refused>().reason, Status::busy);
    drop(writer);
    drop(reader);
    EXPECT_EQ(open_snapshot(reader, id, 5).flags, 0u); // the writer may come back
    EXPECT_EQ(open_snapshot(writer, id, 6, false).flags, DDSNAP_FLAG_MAY_CACHE);
}

TEST_F(SessionTest, SnapshotWritesArePrivate)
{
    const auto id = create();
    FakeClient writer;
    open_snapshot(writer, id, 6, false);
    request(writer, Type::snap_write, 1, {Chunk{2}, 3});
    run();
    const auto extents = writer.take<wire::Extents>();
    std::uint64_t covered = 0;
    for (std::uint32_t i = 0; i < extents.count; ++i) {
        EXPECT_EQ(extents.extent[i].kind, snapstore::Extent::Kind::store);
        covered += extents.extent[i].count;
    }
    EXPECT_EQ(covered, 3u);
}

TEST_F(SessionTest, DeleteIsRefusedWhileOpen)
{
    const auto id = create();
    FakeClient reader;
    open_snapshot(reader, id, 5);
    auto removed = begin(service->remove(id, true));
    run();
    ASSERT_TRUE(removed->done());
    EXPECT_EQ(removed->result->error().code, ServiceError::Code::busy);
    drop(reader);
    FakeClient writer;
    open_snapshot(writer, id, 6, false);
    drop(writer);
    removed = begin(service->remove(id, true));
    run();
    EXPECT_EQ(removed->result->error().code, ServiceError::Code::busy); // it may still write
    probe.gone.push_back(hello(wire::Role::snapshot, 6).client);
    removed = begin(service->remove(id, true));
    connect(reader, hello(wire::Role::snapshot, 7, id));
    run();
    ASSERT_TRUE(removed->done() && *removed->result);
    EXPECT_EQ(reader.peek(), Type::refused);
}

// The forced delete has read a use count that is another one by the time it takes it away.
TEST_F(SessionTest, ForcedDeleteBesideAChangeOfTheUseCount)
{
    const auto id = create();
    auto count = begin(service->add_use(id, 2));
    run();
    ASSERT_TRUE(count->done() && *count->result);
    count = begin(service->add_use(id, -1)); // on its way to the journal
    auto removed = begin(service->remove(id, true));
    EXPECT_FALSE(count->done());
    run();
    ASSERT_TRUE(count->done() && *count->result);
    ASSERT_TRUE(removed->done());
    EXPECT_TRUE(*removed->result) << removed->result->error().message;
    EXPECT_FALSE(service->store().snapshots().find(id));
}

// A check reads all of the store: no stop waits for its end.
TEST_F(SessionTest, ClosingEndsACheck)
{
    (void)create();
    auto check = begin(service->check(true));
    EXPECT_FALSE(check->done());
    auto closed = begin(service->close());
    run();
    ASSERT_TRUE(check->done());
    ASSERT_FALSE(*check->result);
    EXPECT_EQ(check->result->error().code, ServiceError::Code::stopping);
    ASSERT_TRUE(closed->done());
    EXPECT_TRUE(*closed->result);
}

class SquashTest : public SessionTest {
protected:
    // Overwrites the origin and takes snapshots until the store (16 MiB, for 4 MiB a round) is full and
    // `reader` of the oldest snapshot is told INVALID. A WRITE waits for space then.
    void fill(FakeClient& reader, bool read_only = true)
    {
        first = create();
        open_snapshot(reader, first, 5, read_only);
        epoch = open_origin(origin).epoch;
        for (int round = 0; round < 8; ++round) {
            for (std::uint64_t c = 0; c < 256; c += 16) {
                request(origin, Type::write, c + 1, {Chunk{c}, 16}, epoch);
                run();
                if (reader.peek() == Type::invalid) {
                    return;
                }
                ASSERT_EQ(origin.take<wire::Grant>().status, Status::ok);
            }
            auto pending = begin_create();
            run();
            held(origin);
            run();
            ASSERT_TRUE(pending->done());
            epoch = origin.take<wire::EpochMessage>().epoch;
        }
        FAIL() << "nothing was squashed";
    }
    void wait_for_grant()
    {
        for (int i = 0; i < 300 && origin.received.empty(); ++i) {
            tick(10);
        }
        EXPECT_EQ(origin.take<wire::Grant>().status, Status::ok);
    }

    FakeClient origin;
    SnapshotId first;
};

TEST_F(SquashTest, SquashedSpaceWaitsForItsClients)
{
    FakeClient reader;
    fill(reader);
    reader.received.clear();
    request(reader, Type::snap_read, 1, {Chunk{0}, 1});
    EXPECT_EQ(reader.take<wire::Extents>().status, Status::squashed);
    const auto swept = service->store().counters().swept_entries;
    tick(1000);
    EXPECT_EQ(service->store().counters().swept_entries, swept);
    say(reader, wire::encode(wire::Bare{Type::invalid_ack, 0}));
    wait_for_grant();
    FakeClient late;
    EXPECT_EQ(open_snapshot(late, first, 8).flags, DDSNAP_FLAG_SQUASHED);
    EXPECT_EQ(late.take<wire::Bare>().type, Type::invalid);
}

// A WRITE that waits for space must not hold the origin's client for ever.
TEST_F(SquashTest, CreateDoesNotOutwaitItsTimeOut)
{
    FakeClient reader;
    fill(reader);
    auto pending = begin_create(500);
    run();
    held(origin);
    tick(499);
    EXPECT_FALSE(pending->done());
    tick(1);
    ASSERT_TRUE(pending->done());
    EXPECT_EQ(pending->result->error().code, ServiceError::Code::timeout);
    const auto resume = origin.take<wire::EpochMessage>();
    EXPECT_EQ(resume.type, Type::resume);
    EXPECT_EQ(resume.epoch, epoch);
    say(reader, wire::encode(wire::Bare{Type::invalid_ack, 0}));
    wait_for_grant();
}

// Create waits for a copy, the copy for the space of a squashed snapshot, this for a writer that is away: it
// must be let in, or all of them would wait for each other.
TEST_F(SquashTest, AWriterOfTheSquashedSnapshotIsWelcomedWhileCreateWaits)
{
    FakeClient writer;
    fill(writer, false);
    drop(writer);
    auto pending = begin_create(60'000);
    run();
    held(origin);
    run();
    EXPECT_FALSE(pending->done());
    EXPECT_EQ(open_snapshot(writer, first, 5, false).flags, DDSNAP_FLAG_SQUASHED);
    EXPECT_EQ(writer.take<wire::Bare>().type, Type::invalid);
    say(writer, wire::encode(wire::Bare{Type::invalid_ack, 0}));
    for (int i = 0; i < 300 && !pending->done(); ++i) {
        tick(10);
    }
    ASSERT_TRUE(pending->done());
    EXPECT_TRUE(*pending->result);
}

// The writer's host may never come back: origin writes wait for it a bounded time, then take the space of the
// next snapshot. Its own space stays untouched.
TEST_F(SquashTest, AWriterThatStaysAwayCostsTheNextSnapshot)
{
    FakeClient writer;
    fill(writer, false);
    drop(writer);
    origin.received.clear();
    for (std::uint64_t waited = 0; waited < ddsnap::ServiceConfig{}.release_patience_ns / 1'000'000;
         waited += 1000) {
        EXPECT_TRUE(origin.received.empty());
        tick(1000);
    }
    wait_for_grant();
    const auto all = service->store().snapshots().list();
    EXPECT_GE(std::count_if(all.begin(), all.end(),
                            [](const auto& s) { return s.state == snapstore::SnapshotState::squashed; }),
              2);
    const auto exceptions = service->store().counters().swept_entries;
    EXPECT_GT(exceptions, 0U);
    EXPECT_EQ(open_snapshot(writer, first, 5, false).flags, DDSNAP_FLAG_SQUASHED);
}

TEST_F(SquashTest, AReaderThatDoesNotAcknowledgeIsClosed)
{
    FakeClient reader;
    fill(reader);
    tick(4999);
    EXPECT_FALSE(reader.closed);
    tick(1);
    EXPECT_TRUE(reader.closed);
    wait_for_grant();
}

// A store too small for one snapshot of the whole origin.
class SmallStoreTest : public ServiceWorld {
protected:
    SmallStoreTest() : ServiceWorld(snapstore::Bytes{3ull << 20}) {}
};

// The last snapshot is squashed under a reader that is at the origin: until it has ended its read, nothing
// may be written there, though no snapshot is left for which a copy would be made.
TEST_F(SmallStoreTest, NobodyWritesUnderTheLastReader)
{
    FakeClient reader;
    FakeClient origin;
    const SnapshotId id = create();
    open_snapshot(reader, id, 5);
    request(reader, Type::snap_read, 7, {Chunk{255}, 1});
    run();
    const auto place = reader.take<wire::Extents>();
    ASSERT_EQ(place.count, 1u);
    ASSERT_EQ(place.extent.front().kind, snapstore::Extent::Kind::origin);
    const Epoch epoch = open_origin(origin).epoch;
    for (std::uint64_t c = 0; c < 240 && reader.peek() != Type::invalid; c += 16) {
        request(origin, Type::write, c + 1, {Chunk{c}, 16}, epoch);
        run();
        ASSERT_EQ(origin.take<wire::Grant>().status, Status::ok);
    }
    ASSERT_EQ(reader.peek(), Type::invalid);
    ASSERT_TRUE(service->store().origin().no_snapshots());
    request(origin, Type::write, 900, {Chunk{255}, 1}, epoch);
    tick(10);
    EXPECT_FALSE(origin.peek()); // neither STATE nor GRANT

    say(reader, wire::encode(wire::Bare{Type::unlock, 7}));
    run();
    EXPECT_EQ(origin.take<wire::Grant>().id, 900u);
    EXPECT_EQ(origin.take<wire::EpochMessage>().flags, std::uint32_t{DDSNAP_FLAG_NO_SNAPSHOTS});
}

// A peer of the next version, which still knows ours.
TEST_F(SessionTest, ANewerClientIsAnsweredWithWhatBothKnow)
{
    auto m = hello(wire::Role::origin, 1);
    m.version = DDSNAP_VERSION + 1;
    m.version_min = DDSNAP_VERSION;
    m.features = ~std::uint64_t{0};
    FakeClient client;
    const auto welcome = open(client, m);
    EXPECT_EQ(welcome.version, DDSNAP_VERSION);
    EXPECT_EQ(welcome.features, DDSNAP_FEATURES);
    drop(client);

    m.version_min = DDSNAP_VERSION + 1; // does not know it any more
    connect(client, m);
    run();
    const auto refused = client.take<wire::Refused>();
    EXPECT_EQ(refused.reason, Status::version);
    EXPECT_NE(refused.text_view().find("versions 1 to 1, the client 2 to 2"), std::string_view::npos);

    m.version = m.version_min = DDSNAP_VERSION_MIN - 1; // older than we know
    connect(client, m);
    run();
    EXPECT_EQ(client.take<wire::Refused>().reason, Status::version);
}

TEST_F(SessionTest, HelloIsChecked)
{
    FakeClient client;
    const auto refusal = [&](const wire::Hello& m) {
        connect(client, m);
        run();
        return client.take<wire::Refused>().reason;
    };
    auto m = hello(wire::Role::origin, 1);
    m.version = m.version_min = 9;
    EXPECT_EQ(refusal(m), Status::version);
    m = hello(wire::Role::origin, 1);
    m.volume.fill(std::byte{1});
    EXPECT_EQ(refusal(m), Status::volume);
    m = hello(wire::Role::origin, 1);
    m.sectors = snapstore::Sectors{1u << 30};
    EXPECT_EQ(refusal(m), Status::size);
    EXPECT_EQ(refusal(hello(wire::Role::origin, 0)), Status::invalid);
    EXPECT_EQ(refusal(hello(wire::Role::snapshot, 1, SnapshotId{99})), Status::no_snapshot);
}

// A number may have been given again while the client was away: what it knows is of another snapshot.
TEST_F(SessionTest, ASnapshotIsTheOneThatTheClientHadBefore)
{
    const auto id = create();
    FakeClient client;
    EXPECT_EQ(open_origin(client).snapshot_uuid, snapstore::Uuid{});
    drop(client);
    auto m = hello(wire::Role::snapshot, 2, id);
    m.read_only = true;
    const auto welcome = open(client, m);
    EXPECT_EQ(welcome.snapshot_uuid, service->store().snapshots().find(id)->uuid);
    EXPECT_NE(welcome.snapshot_uuid, snapstore::Uuid{});
    drop(client);
    m.volume = welcome.volume;
    m.snapshot_uuid = welcome.snapshot_uuid;
    EXPECT_EQ(open(client, m).snapshot_uuid, welcome.snapshot_uuid);
    drop(client);
    m.snapshot_uuid.fill(std::byte{1});
    connect(client, m);
    run();
    EXPECT_EQ(client.take<wire::Refused>().reason, Status::no_snapshot);
}

TEST_F(SessionTest, ReconnectReplacesTheOldSession)
{
    FakeClient before;
    FakeClient after;
    open_origin(before);
    open_origin(after);
    EXPECT_TRUE(before.closed);
    EXPECT_FALSE(after.closed);
}

} // namespace
} // namespace ddsnap::test
