// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/service_world.h"

#include <algorithm>

namespace ddsnap::test {

namespace {
constexpr std::uint64_t kOrigin = 4ull << 20;
} // namespace

ServiceWorld::ServiceWorld(snapstore::Bytes store)
    : origin_disk(snapstore::Bytes{kOrigin}, random), store_disk(store, random)
{
    for (std::size_t i = 0; i < kOrigin; ++i) {
        origin_disk.content()[i] = static_cast<std::byte>(i / 4096 + 1);
    }
    snapstore::FramePool frames;
    snapstore::Format format;
    format.uuid.fill(std::byte{9});
    format.origin_size = snapstore::Sectors{kOrigin / 512};
    auto pending = std::make_shared<Pending<snapstore::Result<void>>>();
    const snapstore::Devices devices{&origin_disk, &store_disk, nullptr};
    snapstore::spawn(frames, await(frames, snapstore::Store::initialize(frames, devices, format), pending));
    while (step()) {
    }
    EXPECT_TRUE(pending->done() && *pending->result);
    start();
}

void ServiceWorld::start()
{
    const snapstore::Devices devices{&origin_disk, &store_disk, nullptr, with_witness ? &witness : nullptr};
    service = std::make_unique<VolumeService>(devices, store_config, ServiceConfig{}, probe, *this);
    auto opened = begin(service->open());
    run();
    ASSERT_TRUE(opened->done() && *opened->result);
    service->on_tick(now);
    run();
}

bool ServiceWorld::step() { return origin_disk.pump() || store_disk.pump() || witness.pump(); }

void ServiceWorld::run()
{
    while (step()) {
    }
}

void ServiceWorld::tick(std::uint64_t ms)
{
    now += ms * kMs;
    service->on_tick(now);
    run();
}

std::shared_ptr<ServiceWorld::Pending<ServiceResult<snapstore::SnapshotInfo>>>
ServiceWorld::begin_create(std::uint64_t timeout_ms)
{
    snapstore::CreateOptions options;
    std::generate(options.uuid.begin(), options.uuid.end(), [&] { return static_cast<std::byte>(random()); });
    return begin(service->create(options, now + timeout_ms * kMs));
}

SnapshotId ServiceWorld::create()
{
    auto pending = begin_create();
    run();
    EXPECT_TRUE(pending->done() && *pending->result);
    return (*pending->result)->id;
}

wire::Hello ServiceWorld::hello(wire::Role role, std::uint8_t client, SnapshotId snapshot)
{
    wire::Hello m;
    m.id = 77;
    m.role = role;
    m.client.fill(std::byte{client});
    m.snapshot = snapshot;
    m.set_name("client " + std::to_string(client));
    return m;
}

void ServiceWorld::connect(FakeClient& client, const wire::Hello& hello)
{
    client.closed = false;
    client.received.clear();
    client.session = &service->connect(client, Peer{{}, 1, 1});
    say(client, wire::encode(hello));
}

wire::Welcome ServiceWorld::open(FakeClient& client, const wire::Hello& hello)
{
    connect(client, hello);
    run();
    EXPECT_EQ(client.peek(), Type::welcome);
    return client.take<wire::Welcome>();
}

wire::Welcome ServiceWorld::open_snapshot(FakeClient& client, SnapshotId snapshot, std::uint8_t id,
                                          bool read_only)
{
    auto m = hello(wire::Role::snapshot, id, snapshot);
    m.read_only = read_only;
    return open(client, m);
}

void ServiceWorld::drop(FakeClient& client)
{
    service->on_disconnect(*client.session, "dropped");
    client.session = nullptr;
}

void ServiceWorld::say(FakeClient& client, std::span<const std::byte> bytes)
{
    ASSERT_NE(client.session, nullptr) << "closed: " << client.reason;
    service->on_bytes(*client.session, bytes);
}

void ServiceWorld::request(FakeClient& client, Type type, std::uint64_t id, ChunkRange range, Epoch epoch)
{
    say(client, wire::encode(wire::Request{type, id, range, epoch}));
}

void ServiceWorld::held(FakeClient& client)
{
    const auto hold = client.take<wire::EpochMessage>();
    EXPECT_EQ(hold.type, Type::hold);
    say(client, wire::encode(wire::EpochMessage{Type::held, 0, hold.epoch, 0}));
}

} // namespace ddsnap::test
