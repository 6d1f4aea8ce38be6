// SPDX-License-Identifier: GPL-2.0
// A client's protocol core with a daemon made by hand: what the client says can be looked at, what the daemon
// says is written by the test.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ddsnapd/client/protocol_client.h"
#include "ddsnapd/protocol/wire.h"

namespace ddsnap::client::test {

using snapstore::Chunk;
using snapstore::ChunkRange;
using snapstore::Epoch;
using snapstore::Extent;
using wire::Status;
using wire::Type;

// One connection, as the daemon sees it.
class FakeDaemon final : public Outlet {
public:
    void send(std::span<const std::byte> bytes) override { heard.emplace_back(bytes.begin(), bytes.end()); }
    void hang_up(std::string_view why) override { reason = why; }
    bool stands() noexcept override { return !closed; }

    template <class Message>
    Message take()
    {
        if (heard.empty()) {
            ADD_FAILURE() << "the client said nothing; hung up: " << reason;
            return {};
        }
        const auto message = Message::decode(heard.front());
        heard.pop_front();
        if (!message) {
            ADD_FAILURE() << message.error();
            return {};
        }
        return *message;
    }

    std::deque<std::vector<std::byte>> heard;
    std::string reason;  // not empty: the client hung up
    bool closed = false; // which the client has not heard of yet
};

inline ClientOptions options()
{
    ClientOptions o;
    o.client.fill(std::byte{5});
    return o;
}

// To WELCOME, on a new connection. Returns the HELLO.
inline wire::Hello welcome(ProtocolClient& client, FakeDaemon& daemon, Epoch epoch, std::uint32_t flags = 0)
{
    client.connected(daemon);
    const auto hello = daemon.take<wire::Hello>();
    wire::Welcome m;
    m.id = hello.id;
    m.chunk_shift = 14;
    m.flags = flags;
    m.epoch = epoch;
    m.credits = 4;
    m.max_range = 8;
    client.on_bytes(wire::encode(m));
    EXPECT_TRUE(client.is_open());
    return hello;
}

} // namespace ddsnap::client::test
