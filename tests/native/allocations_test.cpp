// SPDX-License-Identifier: GPL-2.0
// How often the daemon's thread asks the heap for memory. With the daemon that counts it (ddsnapd_counting),
// so not in builds with sanitizers: they replace malloc themselves.
#include <sys/socket.h>

#include <algorithm>

#include "tests/native/model.h"

namespace ddsnap::test {
namespace {

using wire::Status;

// An origin client that asks for grants, many at once, and writes nothing.
class Asker {
public:
    explicit Asker(const Volume& volume) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        const sockaddr_un address = volume.address("data");
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
