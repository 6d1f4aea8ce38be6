// SPDX-License-Identifier: GPL-2.0
// The store's device fails under a running service: what its clients are told, origin first and snapshot
// first.
#include <algorithm>

#include "tests/unit/service_world.h"

namespace ddsnap::test {
namespace {

using wire::EpochMessage;
using wire::Grant;

class StoreFailureTest : public ServiceWorld {
protected:
    StoreFailureTest()
    {
        with_witness = true;
        restart();
    }
    void restart()
    {
        service.reset();
        start();
    }
    bool logged(std::string_view text) const
    {
        return std::any_of(lines.begin(), lines.end(),
                           [&](const std::string& line) { return line.find(text) != std::string::npos; });
    }
    FakeClient origin;
};

TEST_F(StoreFailureTest, TheOriginGoesOnAndReadersAreTold)
{
    const SnapshotId id = create();
    FakeClient reader;
    open_snapshot(reader, id, 2);
    const auto welcome = open_origin(origin);
    store_disk.fail_request(1, true);
    request(origin, Type::write, 5, {Chunk{3}, 1}, welcome.epoch);
    run();
    bool granted = false;
    bool told = false;
    for (; !origin.received.empty(); origin.received.pop_front()) {
        if (const auto grant = Grant::decode(origin.received.front()); origin.peek() == Type::grant) {
            granted = grant && grant->id == 5 && grant->status == Status::ok;
        } else if (const auto state = EpochMessage::decode(origin.received.front()); state) {
            told = state->type == Type::state && state->flags == DDSNAP_FLAG_NO_SNAPSHOTS;
        }
    }
    EXPECT_TRUE(granted);
    EXPECT_TRUE(told);
    EXPECT_EQ(reader.peek(), Type::invalid);
    EXPECT_TRUE(service->store().info().given_up);
    EXPECT_TRUE(logged("all snapshots are given up"));

    // A client that comes back is told so, too; a new one cannot be recorded, and is refused.
    drop(origin);
    EXPECT_EQ(open_origin(origin).flags, DDSNAP_FLAG_NO_SNAPSHOTS);
    drop(origin);
    FakeClient other;
    probe.gone.push_back(hello(wire::Role::origin, 1).client);
    connect(other, hello(wire::Role::origin, 9));
    run();
    EXPECT_EQ(other.peek(), Type::refused);

    store_disk.fail_request(0);
    restart();
    EXPECT_EQ(service->store().snapshots().state_of(id), snapstore::SnapshotState::squashed);
}

// What a reader has locked on the origin is not overwritten under it, lost or not.
TEST_F(StoreFailureTest, WritesWaitForReadersOfLostSnapshots)
{
    const SnapshotId id = create();
    FakeClient reader;
    open_snapshot(reader, id, 2);
    request(reader, Type::snap_read, 1, {Chunk{3}, 1});
    run();
    ASSERT_EQ(reader.peek(), Type::extents);
    reader.received.clear();
    const auto welcome = open_origin(origin);
    store_disk.fail_request(1, true);
    request(origin, Type::write, 5, {Chunk{3}, 1}, welcome.epoch);
    run();
    EXPECT_TRUE(origin.received.empty());
    EXPECT_EQ(reader.peek(), Type::invalid);
    say(reader, wire::encode(wire::Bare{Type::unlock, 1}));
    run();
    std::size_t grants = 0;
    for (; !origin.received.empty(); origin.received.pop_front()) {
        grants += wire::Header::decode(origin.received.front())->type == Type::grant ? 1U : 0U;
    }
    EXPECT_EQ(grants, 1U);
}

// As BarrierTest.AFailedCommitResumesNobody, but that the loss can be recorded.
TEST_F(StoreFailureTest, ACreateThatFailsLetsTheOriginGoOn)
{
    for (const unsigned failing : {1u, 2u}) {
        const auto welcome = open_origin(origin);
        auto pending = begin_create();
        store_disk.fail_request(failing, true);
        held(origin);
        run();
        ASSERT_TRUE(pending->done());
        ASSERT_FALSE(pending->result->has_value());
        EXPECT_FALSE(origin.closed);
        const auto resume = origin.take<EpochMessage>();
        EXPECT_EQ(resume.type, Type::resume);
        EXPECT_EQ(resume.epoch, welcome.epoch);
        EXPECT_EQ(resume.flags, DDSNAP_FLAG_NO_SNAPSHOTS);
        store_disk.fail_request(0);
        restart();
        EXPECT_TRUE(service->store().origin().no_snapshots());
    }
}

TEST_F(StoreFailureTest, SnapshotFirstRefusesWritesAndGoesOnReading)
{
    store_config.snapshot_first = true;
    restart();
    const SnapshotId id = create();
    FakeClient reader;
    open_snapshot(reader, id, 2);
    const auto welcome = open_origin(origin);
    store_disk.fail_request(1, true);
    request(origin, Type::write, 5, {Chunk{3}, 1}, welcome.epoch);
    run();
    EXPECT_EQ(origin.take<Grant>().status, Status::io);
    EXPECT_TRUE(origin.received.empty());
    EXPECT_TRUE(logged("snapshot first"));
    request(reader, Type::snap_read, 1, {Chunk{3}, 1});
    run();
    EXPECT_EQ(reader.peek(), Type::extents);
    store_disk.fail_request(0);
    restart();
    EXPECT_FALSE(service->store().origin().no_snapshots());
}

// A sector of the origin: the write is granted, readers get an error for that chunk alone, and nobody is told
// more.
TEST_F(StoreFailureTest, AnUnreadableSectorIsOneChunkOfTheSnapshots)
{
    const SnapshotId id = create();
    FakeClient reader;
    open_snapshot(reader, id, 2);
    const auto welcome = open_origin(origin);
    origin_disk.spoil_reads(3 * (std::uint64_t{1} << service->store().info().chunk_shift) + 512);
    request(origin, Type::write, 5, {Chunk{2}, 3}, welcome.epoch);
    run();
    const auto grant = origin.take<Grant>();
    EXPECT_EQ(grant.status, Status::ok);
    EXPECT_EQ(grant.range.count, 3U);
    EXPECT_TRUE(logged("the origin cannot be read at byte"));
    std::uint64_t number = 0;
    for (const std::uint64_t chunk : {2U, 3U, 4U}) {
        request(reader, Type::snap_read, ++number, {Chunk{chunk}, 1});
        run();
        EXPECT_EQ(reader.take<wire::Extents>().status, chunk == 3 ? Status::io : Status::ok) << chunk;
    }
    EXPECT_FALSE(service->store().info().failed);
    EXPECT_EQ(service->store().info().lost_chunks, 1U);
}

} // namespace
} // namespace ddsnap::test
