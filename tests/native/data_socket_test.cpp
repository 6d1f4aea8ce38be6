// SPDX-License-Identifier: GPL-2.0
// Hostile clients of the data socket: the daemon closes their connection with a reason and goes on.
#include <sys/socket.h>

#include <algorithm>
#include <random>

#include "tests/native/model.h"

namespace ddsnap::test {
namespace {

using snapstore::Chunk;

class DataSocketTest : public testing::Test {
protected:
    DataSocketTest() { volume.start(); }

    UniqueFd connect() const
    {
        const sockaddr_un address = volume.address("data");
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    static void send(const UniqueFd& fd, wire::Bytes bytes)
    {
        (void)!::send(fd.get(), bytes.data(), bytes.size(),
                      MSG_NOSIGNAL); // the daemon may have closed already
    }
    // Everything until the daemon closes.
    static std::vector<std::byte> drain(const UniqueFd& fd)
    {
        std::vector<std::byte> all;
        std::byte block[4096];
        for (ssize_t n = 0; (n = ::recv(fd.get(), block, sizeof block, 0)) > 0;) {
            all.insert(all.end(), block, block + n);
        }
        return all;
    }
    static wire::Hello hello()
    {
        wire::Hello m;
        m.id = 1;
        m.client = client::random_client_id();
        m.set_name("hostile");
        return m;
    }
    // Says HELLO and reads WELCOME.
    UniqueFd welcomed(const wire::Hello& m) const
    {
        UniqueFd fd = connect();
        send(fd, wire::encode(m));
        std::array<std::byte, sizeof(ddsnap_welcome)> answer;
        EXPECT_EQ(::recv(fd.get(), answer.data(), answer.size(), MSG_WAITALL),
                  static_cast<ssize_t>(answer.size()));
        EXPECT_TRUE(wire::Welcome::decode(answer));
        return fd;
    }
    // The bytes, after WELCOME if `greeted`, end the session and count as a protocol error.
    void expect_closed(wire::Bytes bytes, bool greeted)
    {
        const auto errors = volume.counter("protocol_errors");
        auto m = hello();
        m.read_only = true;
        const UniqueFd fd = greeted ? welcomed(m) : connect();
        send(fd, bytes);
        drain(fd);
        EXPECT_EQ(volume.counter("protocol_errors"), errors + 1);
    }

    Volume volume;
};

TEST_F(DataSocketTest, GarbageIsRefused)
{
    std::mt19937_64 random(1);
    for (int i = 0; i < 200; ++i) {
        std::vector<std::byte> garbage(1 + random() % 5000);
        for (auto& b : garbage) {
            b = static_cast<std::byte>(random());
        }
        garbage.resize(std::max<std::size_t>(garbage.size(), 16));
        expect_closed(garbage, i % 2 == 0);
    }
    EXPECT_NE(volume.log().find("closed: message"), std::string::npos) << volume.log();
    volume.create();
}

TEST_F(DataSocketTest, OversizedAndUndersizedMessagesAreRefused)
{
    for (const std::uint32_t length : {0u, 15u, 4097u, 0x7fffffffu, 0xffffffffu}) {
        ddsnap_header header{};
        header.length = length;
        header.type = DDSNAP_HELLO;
        expect_closed(std::as_bytes(std::span(&header, 1)), false);
        header.type = DDSNAP_WRITE;
        expect_closed(std::as_bytes(std::span(&header, 1)), true);
    }
}

TEST_F(DataSocketTest, MessagesOutOfOrderAreRefused)
{
    const wire::Request write{wire::Type::write, 1, {Chunk{0}, 1}, {}};
    expect_closed(wire::encode(write), false);
    expect_closed(wire::encode(write), true); // read-only
    expect_closed(wire::encode(hello()), true);
    for (const auto type : {wire::Type::held, wire::Type::resume, wire::Type::hold}) {
        expect_closed(wire::encode(wire::EpochMessage{type, 0, {}, 0}), true);
    }
    for (const auto type :
         {wire::Type::unlock, wire::Type::invalid_ack, wire::Type::bye_ack, wire::Type::invalid}) {
        expect_closed(wire::encode(wire::Bare{type, 0}), true);
    }
}

TEST_F(DataSocketTest, TruncatedMessagesAreWaitedForAndForgotten)
{
    const auto whole = wire::encode(hello());
    for (std::size_t n = 0; n < whole.size(); n += 13) {
        const UniqueFd fd = connect();
        send(fd, std::span(whole).first(n));
    }
    // In pieces of one byte it is as good as whole.
    const UniqueFd fd = connect();
    for (const std::byte& b : whole) {
        send(fd, std::span(&b, 1));
    }
    std::array<std::byte, sizeof(ddsnap_welcome)> answer;
    EXPECT_EQ(::recv(fd.get(), answer.data(), answer.size(), MSG_WAITALL),
              static_cast<ssize_t>(answer.size()));
    EXPECT_TRUE(wire::Welcome::decode(answer));
}

TEST_F(DataSocketTest, WrongVersionIsRefusedInWords)
{
    auto m = hello();
    m.version = m.version_min = 99;
    const UniqueFd fd = connect();
    send(fd, wire::encode(m));
    const auto answer = drain(fd);
    const auto refused = wire::Refused::decode(answer);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->reason, wire::Status::version);
    EXPECT_FALSE(refused->text_view().empty());
}

TEST_F(DataSocketTest, CreditsAreEnforced)
{
    volume.create();
    const UniqueFd fd = welcomed(hello());
    std::vector<std::byte> flood;
    for (std::uint64_t i = 0; i < 2000; ++i) {
        const auto m =
            wire::encode(wire::Request{wire::Type::write, i + 1, {Chunk{i % 1024}, 1}, snapstore::Epoch{2}});
        flood.insert(flood.end(), m.begin(), m.end());
    }
    const auto errors = volume.counter("protocol_errors");
    send(fd, flood);
    drain(fd);
    EXPECT_EQ(volume.counter("protocol_errors"), errors + 1);
}

TEST_F(DataSocketTest, AClientThatDoesNotReadIsClosed)
{
    const UniqueFd fd = welcomed(hello());
    const timeval patience{5, 0};
    ASSERT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    const auto m = wire::encode(wire::Request{wire::Type::write, 1, {Chunk{0}, 1}, snapstore::Epoch{1}});
    for (int i = 0; i < 100'000; ++i) {
        if (::send(fd.get(), m.data(), m.size(), MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    EXPECT_EQ(volume.counter("slow_clients"), 1u);
}

} // namespace
} // namespace ddsnap::test
