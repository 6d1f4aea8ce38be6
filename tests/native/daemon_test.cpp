// SPDX-License-Identifier: GPL-2.0
// The daemon as a process: content through restarts, clean shutdown, one daemon per store, no allocations.
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "tests/native/model.h"

namespace ddsnap::test {
namespace {

using client::OriginDevice;
using client::SnapshotDevice;
using snapstore::SnapshotId;
using wire::Status;

std::unique_ptr<OriginDevice> open_origin(Volume& volume)
{
    auto device = OriginDevice::open(volume.device("origin"));
    if (!device) {
        throw std::runtime_error(device.error());
    }
    return std::move(*device);
}

TEST(DaemonTest, SnapshotsKeepTheirContent)
{
    Volume volume;
    volume.start();
    Model model(volume, 1);
    auto origin = open_origin(volume);
    for (int round = 0; round < 5; ++round) {
        model.scribble(*origin, 60);
        model.snapshot();
    }
    model.scribble(*origin, 60);
    model.compare_all();
    const auto doomed = model.snapshots().begin()->first;
    volume.call({{"op", "delete"}, {"snapshot", doomed}});
    model.forget(doomed);
    volume.call({{"op", "quiesce"}});
    model.scribble(*origin, 60);
    model.compare_all();
    EXPECT_TRUE(volume.call({{"op", "check"}, {"data", true}})["damage"].empty());
    EXPECT_TRUE(origin->bye());
    EXPECT_TRUE(volume.call({{"op", "status"}})["volume"]["clients"].empty());
}

TEST(DaemonTest, MetadataOnADeviceOfTheirOwn)
{
    VolumeSizes sizes;
    sizes.meta = 16ull << 20;
    Volume volume(sizes);
    volume.start();
    Model model(volume, 2);
    auto origin = open_origin(volume);
    model.scribble(*origin, 40);
    model.snapshot();
    model.scribble(*origin, 40);
    volume.kill();
    volume.start();
    model.scribble(*origin, 40);
    model.compare_all();
}

TEST(DaemonTest, SnapshotWritesArePrivateAndDurable)
{
    Volume volume;
    volume.start();
    Model model(volume, 3);
    auto origin = open_origin(volume);
    model.scribble(*origin, 60);
    const auto first = model.snapshot();
    const auto second = model.snapshot();
    {
        auto device = SnapshotDevice::open(SnapshotId{first}, volume.device("writer"));
        ASSERT_TRUE(device) << device.error();
        model.scribble(first, **device, 50);
        model.scribble(*origin, 60);
        ASSERT_EQ((*device)->flush(), Status::ok);
        volume.kill();
        volume.start();
        model.compare(first, **device);
        model.scribble(first, **device, 50);
        ASSERT_TRUE((*device)->bye());
    }
    model.compare(first);
    model.compare(second);
}

// I2, I3, I4: grants and snapshots outlive any number of kills.
TEST(DaemonTest, KillsAreInvisible)
{
    Volume volume;
    volume.start();
    Model model(volume, 4);
    auto origin = open_origin(volume);
    for (int round = 0; round < 12; ++round) {
        model.scribble(*origin, 10);
        if (round % 2 == 0) {
            model.snapshot();
        }
        std::thread killer([&]() {
            volume.kill();
            volume.start();
        });
        model.scribble(*origin, 40);
        killer.join();
    }
    model.compare_all();
    EXPECT_GT(origin->sessions(), 10u);
    EXPECT_TRUE(volume.call({{"op", "check"}, {"data", true}})["damage"].empty());
    EXPECT_NE(volume.log().find("Replaying journal"), std::string::npos);
}

TEST(DaemonTest, GrantedChunksNeedNoDaemon)
{
    Volume volume;
    volume.start();
    auto origin = open_origin(volume);
    volume.create();
    const std::vector<std::byte> data(1u << 16, std::byte{7});
    ASSERT_EQ(origin->write(0, data), Status::ok);
    const auto queries = origin->queries();
    volume.kill();
    ASSERT_EQ(origin->write(0, data), Status::ok);
    EXPECT_EQ(origin->queries(), queries);
    volume.start();
}

TEST(DaemonTest, CreateNeedsTheAttachedClient)
{
    Volume volume;
    volume.start();
    auto origin = open_origin(volume);
    volume.create();
    origin->break_connection(std::chrono::seconds(3));
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"timeout_ms", 300}}), "detached");
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"timeout_ms", 20000}}), ""); // it has come back
}

TEST(DaemonTest, CleanShutdown)
{
    Volume volume;
    volume.start();
    Model model(volume, 5);
    {
        auto origin = open_origin(volume);
        model.scribble(*origin, 30);
        model.snapshot();
        model.scribble(*origin, 30);
        EXPECT_EQ(volume.terminate(), 0);
        EXPECT_FALSE(std::filesystem::exists(volume.path("data")));
        EXPECT_FALSE(std::filesystem::exists(volume.path("control")));
        volume.start();
        EXPECT_EQ(volume.log().find("Replaying journal"), std::string::npos);
        model.compare_all();
    }
    volume.call({{"op", "shutdown"}});
}

TEST(DaemonTest, DetachesWhenBothSocketsAccept)
{
    Volume volume;
    ASSERT_EQ(volume.start_detached(), 0);
    EXPECT_EQ(volume.create(), 0u); // no waiting
    auto origin = open_origin(volume);
    EXPECT_EQ(volume.terminate(), 0);
    EXPECT_FALSE(std::filesystem::exists(volume.path("pid")));
    EXPECT_NE(volume.log().find("ready: 0 snapshots"), std::string::npos);
    std::filesystem::resize_file(volume.path("store"), 4096);
    EXPECT_EQ(volume.start_detached(), 1);
}

TEST(DaemonTest, OneDaemonPerStore)
{
    Volume volume;
    volume.start();
    const auto [status, text] = volume.run_rival();
    EXPECT_EQ(status, 1);
    EXPECT_NE(text.find("in use by process"), std::string::npos) << text;
    volume.create();
}

TEST(DaemonTest, ThousandSnapshots)
{
    VolumeSizes sizes;
    sizes.store = 256ull << 20;
    Volume volume(sizes);
    volume.start();
    Model model(volume, 6);
    auto origin = open_origin(volume);
    std::vector<std::uint64_t> kept;
    for (int i = 0; i < 1000; ++i) {
        model.scribble(*origin, 1);
        const auto id = model.snapshot();
        if (i % 100 == 0) {
            kept.push_back(id);
        } else {
            model.forget(id);
        }
    }
    EXPECT_EQ(volume.call({{"op", "list"}})["snapshots"].size(), 1000u);
    model.compare_all();
    volume.kill();
    volume.start();
    EXPECT_EQ(volume.call({{"op", "list"}})["snapshots"].size(), 1000u);
    model.compare_all();
}

// An origin client that asks for grants, many at once, and writes nothing.
class Asker {
public:
    explicit Asker(const Volume& volume) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, volume.path("data").c_str());
        EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        wire::Hello hello;
        hello.id = 1;
        hello.client = client::random_client_id();
        send(wire::encode(hello));
        epoch_ = wire::Welcome::decode(receive<ddsnap_welcome>())->epoch;
    }

    void ask_for(std::uint64_t chunks)
    {
        constexpr std::uint64_t kBatch = 256;
        for (std::uint64_t first = 0; first < chunks; first += kBatch) {
            for (std::uint64_t c = first; c < first + kBatch; ++c) {
                send(wire::encode(wire::Request{
                    wire::Type::write, c + 1, {snapstore::Chunk{c * 7919 % chunks}, 1}, epoch_}));
            }
            for (std::uint64_t i = 0; i < kBatch; ++i) {
                ASSERT_EQ(wire::Grant::decode(receive<ddsnap_grant>())->status, Status::ok);
            }
        }
    }
    void leave()
    {
        send(wire::encode(wire::Bare{wire::Type::bye, 1}));
        receive<ddsnap_header>();
    }

private:
    void send(wire::Bytes bytes) const
    {
        ASSERT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    template <class Disk>
    wire::Encoded<Disk> receive() const
    {
        wire::Encoded<Disk> bytes{};
        EXPECT_EQ(::recv(socket_.get(), bytes.data(), bytes.size(), MSG_WAITALL),
                  static_cast<ssize_t>(bytes.size()));
        return bytes;
    }

    UniqueFd socket_;
    snapstore::Epoch epoch_;
};

// I5: 100,000 origin writes that are copied out, and not one allocation once the pools are warm.
TEST(DaemonTest, OriginWritesDoNotAllocate)
{
    VolumeSizes sizes;
    sizes.origin = 64ull << 20;
    sizes.store = 768ull << 20;
    sizes.chunk_shift = 12;
    Volume volume(sizes);
    volume.start();
    const std::uint64_t chunks = sizes.origin / 4096;
    std::uint64_t writes = 0;
    std::uint64_t allocations = 0;
    for (int round = 0; writes < 100'000; ++round) {
        volume.create();
        Asker asker(volume);
        asker.ask_for(1024); // the session itself
        // What a look at the counter costs differs by one or two, with the lengths of numbers.
        const auto look_1 = volume.counter("allocations");
        const auto look_2 = volume.counter("allocations");
        asker.ask_for(chunks);
        const auto look_3 = volume.counter("allocations");
        const auto look_4 = volume.counter("allocations");
        const auto cost = std::max(look_2 - look_1, look_4 - look_3);
        asker.leave();
        if (round > 0) { // in the first round the pools grow
            writes += chunks - 1024;
            allocations += std::max(look_3 - look_2, cost) - cost;
        }
    }
    EXPECT_EQ(allocations, 0u) << "in " << writes << " origin writes";
}

} // namespace
} // namespace ddsnap::test
