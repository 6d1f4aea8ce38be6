// SPDX-License-Identifier: GPL-2.0
// A store that becomes smaller under its clients: who is held, who has to forget, who is in the way.
#include "tests/unit/service_world.h"

namespace ddsnap::test {
namespace {

using Code = ServiceError::Code;
using snapstore::Bytes;
using snapstore::Extent;
using Answer = ServiceResult<void>;

constexpr std::uint64_t kChunk = 16384;
constexpr std::uint32_t kMany = 200; // chunks that are in use in the end, from the 200th place on

class ShrinkServiceTest : public ServiceWorld {
protected:
    // Two snapshots; the older one's chunks are gone, so that the first places are free.
    void SetUp() override
    {
        const SnapshotId old = create();
        copy_out();
        id = create();
        copy_out();
        ASSERT_TRUE(finish(begin(service->remove(old, false))));
        auto swept = begin(service->quiesce(now + 1000 * kMs));
        for (int i = 0; i < 20 && !swept->done(); ++i) {
            tick(10);
            run();
        }
        ASSERT_TRUE(swept->done());
        ASSERT_TRUE(finish(begin(service->checkpoint())));
        ASSERT_EQ(in_use(), kMany);
    }
    void copy_out()
    {
        auto done = begin(service->store().origin().write({Chunk{0}, kMany}));
        run();
        ASSERT_TRUE(done->done() && *done->result);
    }
    std::uint64_t in_use() const
    {
        const auto info = service->store().info();
        return info.store_chunks - info.free_chunks - info.pending_chunks;
    }
    Bytes size_for(std::uint64_t chunks) const
    {
        const auto info = service->store().info();
        return Bytes{info.store_size.value - (info.store_chunks - chunks) * kChunk};
    }
    std::uint64_t end_sector() const { return service->store().info().store_size.value / 512; }
    auto begin_shrink(std::uint64_t chunks) { return begin(service->resize_store(size_for(chunks))); }
    template <class Pending>
    bool finish(const Pending& pending)
    {
        run();
        return pending->done() && pending->result->has_value();
    }
    Extent place_of(FakeClient& client, Type type, std::uint64_t request_id, std::uint64_t chunk)
    {
        request(client, type, request_id, {Chunk{chunk}, 1});
        run();
        return client.take<wire::Extents>().extent[0];
    }
    wire::Hello writer(std::uint64_t features = DDSNAP_FEATURES, wire::Kind kind = wire::Kind::process)
    {
        auto message = hello(wire::Role::snapshot, 5, id);
        message.features = features;
        message.kind = kind;
        return message;
    }
    // An open writer with a chunk beyond the end that is to come.
    void open_writer(FakeClient& client, const wire::Hello& message)
    {
        open(client, message);
        ASSERT_EQ(place_of(client, Type::snap_write, 9, 7).kind, Extent::Kind::store);
    }

    SnapshotId id;
};

TEST_F(ShrinkServiceTest, ReadersForgetOldPlaces)
{
    FakeClient reader;
    open_snapshot(reader, id, 5);
    ASSERT_EQ(place_of(reader, Type::snap_read, 1, 199).kind, Extent::Kind::store);
    FakeClient origin;
    open_origin(origin);
    auto shrinking = begin_shrink(250);
    EXPECT_FALSE(reader.closed) << "old places are as good as new ones until the end";
    EXPECT_TRUE(service->shrinking());
    ASSERT_TRUE(finish(shrinking));
    EXPECT_FALSE(service->shrinking());
    EXPECT_TRUE(reader.closed);
    EXPECT_FALSE(origin.closed) << "it knows of no places";
    FakeClient again;
    open_snapshot(again, id, 5);
    for (std::uint64_t chunk = 0; chunk < kMany; ++chunk) {
        const Extent there = place_of(again, Type::snap_read, 100 + chunk, chunk);
        ASSERT_EQ(there.kind, Extent::Kind::store);
        ASSERT_LT(there.sector.value, end_sector());
    }
}

TEST_F(ShrinkServiceTest, NobodyIsDisturbedInVain)
{
    FakeClient reader;
    open_snapshot(reader, id, 5);
    ASSERT_TRUE(finish(begin_shrink(500)));
    EXPECT_FALSE(reader.closed) << "nothing was there";
}

TEST_F(ShrinkServiceTest, WritersAreHeldWhileTheirChunksMove)
{
    FakeClient before;
    open_writer(before, writer());
    auto shrinking = begin_shrink(in_use() + 8);
    run();
    EXPECT_TRUE(before.closed);
    EXPECT_FALSE(shrinking->done()) << "a write may still be under way";
    const auto moved = service->store().counters().moved_chunks;
    for (int i = 0; i < 3; ++i) {
        tick(100);
        run();
    }
    EXPECT_EQ(service->store().counters().moved_chunks, moved) << "a chunk was moved under its writer";
    FakeClient after;
    connect(after, writer());
    EXPECT_FALSE(after.peek()) << "welcomed before its chunks were moved";
    const auto checkpoints = service->store().counters().checkpoints;
    while (!after.peek() && step()) {
    }
    ASSERT_EQ(after.peek(), Type::welcome);
    EXPECT_GT(service->store().counters().moved_chunks, moved);
    EXPECT_GT(service->store().counters().checkpoints, checkpoints) << "the move is not durable";
    EXPECT_TRUE(finish(shrinking));
    if (after.closed) { // it may have been told of other chunks' old places in between
        open(after, writer());
    }
    after.received.clear();
    EXPECT_LT(place_of(after, Type::snap_write, 10, 7).sector.value, end_sector());
}

// A client that has writes under way says so, and is sent away until they have ended.
TEST_F(ShrinkServiceTest, AWriterComesBackDrained)
{
    FakeClient before;
    open_writer(before, writer());
    auto shrinking = begin_shrink(in_use() + 8);
    run();
    FakeClient undrained;
    connect(undrained, writer(0));
    run();
    tick(10);
    EXPECT_TRUE(undrained.closed);
    EXPECT_FALSE(shrinking->done());
    FakeClient after;
    open(after, writer());
    EXPECT_TRUE(finish(shrinking));
}

TEST_F(ShrinkServiceTest, AWriterOutOfReachIsNamed)
{
    FakeClient before;
    open_writer(before, writer());
    drop(before);
    const auto chunks = service->store().info().store_chunks;
    auto shrinking = begin_shrink(in_use() + 8);
    run();
    EXPECT_FALSE(shrinking->done());
    tick(20'000);
    run();
    ASSERT_TRUE(shrinking->done());
    ASSERT_FALSE(*shrinking->result);
    EXPECT_EQ(shrinking->result->error().code, Code::detached);
    EXPECT_NE(shrinking->result->error().message.find("out of reach"), std::string::npos);
    EXPECT_EQ(service->store().info().store_chunks, chunks);
    FakeClient after;
    open(after, writer()); // nobody is held any more
    probe.gone = {writer().client};
    drop(after);
    EXPECT_TRUE(finish(begin_shrink(in_use() + 8))) << "it is proven gone";
}

TEST_F(ShrinkServiceTest, AnOlderKernelsWriterIsNotHeld)
{
    FakeClient before;
    open_writer(before, writer(0, wire::Kind::kernel));
    auto shrinking = begin_shrink(in_use() + 8);
    run();
    ASSERT_TRUE(shrinking->done());
    ASSERT_FALSE(*shrinking->result);
    EXPECT_EQ(shrinking->result->error().code, Code::busy);
    EXPECT_NE(shrinking->result->error().message.find("close the snapshot first"), std::string::npos);
}

TEST_F(ShrinkServiceTest, RefusalsSayHowMuchIsInUse)
{
    auto refused = begin_shrink(kMany - 1);
    run();
    ASSERT_TRUE(refused->done());
    ASSERT_FALSE(*refused->result);
    EXPECT_EQ(refused->result->error().code, Code::no_space);
    const std::string& text = refused->result->error().message;
    EXPECT_NE(text.find("200 chunks of 16384 bytes"), std::string::npos) << text;
    EXPECT_NE(text.find(std::to_string(size_for(kMany).value) + " bytes of its device"), std::string::npos)
        << text;
    EXPECT_TRUE(finish(begin(service->resize_store(size_for(kMany))))) << "what it said";
}

TEST_F(ShrinkServiceTest, StopsWithTheDaemon)
{
    FakeClient before;
    open_writer(before, writer());
    auto shrinking = begin_shrink(in_use() + 8);
    run(); // it waits for the writer
    auto closing = begin(service->close());
    run();
    ASSERT_TRUE(shrinking->done());
    EXPECT_FALSE(*shrinking->result);
    EXPECT_TRUE(closing->done() && *closing->result);
}

} // namespace
} // namespace ddsnap::test
