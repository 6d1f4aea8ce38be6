// SPDX-License-Identifier: GPL-2.0
// A simulated stream socket between a client and the daemon: bytes arrive in order, late, and in pieces
// that have nothing to do with the messages.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "sim/context.h"

namespace sim {

enum class Side : std::uint8_t { client = 0, daemon = 1 };

// The owner of one end. Both calls may come in the middle of nowhere, never from within send() or close().
class Endpoint {
public:
    virtual ~Endpoint() = default;
    virtual void received(std::span<const std::byte> bytes) = 0;
    virtual void disconnected() = 0; // the peer has closed, and everything it sent has been received
    virtual void writable() {}       // room again after a send that was cut short
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    // Bytes that may be under way in one direction.
    static constexpr std::size_t kCapacity = 16384;

    explicit Connection(Context& context) : context_(context) {}

    void attach(Side side, Endpoint* endpoint) { end(side).endpoint = endpoint; }
    // Takes as much as there is room for; returns how much.
    std::size_t send(Side from, std::span<const std::byte> bytes);
    // `side` closes (or its process ends): what it sent still arrives, what it was sent is lost.
    void close(Side side);
    // Both hosts' power is gone.
    void cut();
    // The other end has closed; `side` may not have heard of it.
    bool peer_closed(Side side) const noexcept { return ends_[static_cast<std::size_t>(side)].closing; }
    bool open(Side side) const noexcept { return ends_[static_cast<std::size_t>(side)].endpoint != nullptr; }

private:
    struct End {
        Endpoint* endpoint = nullptr; // who receives at this end; null once closed
        std::vector<std::byte> inbox; // bytes under way to this end
        bool closing = false;         // the other end has closed
        bool scheduled = false;
        bool sender_waits = false;
    };
    End& end(Side side) { return ends_[static_cast<std::size_t>(side)]; }
    static Side other(Side side) { return side == Side::client ? Side::daemon : Side::client; }
    void schedule(Side to);
    void deliver(Side to);

    Context& context_;
    std::array<End, 2> ends_;
};

} // namespace sim
