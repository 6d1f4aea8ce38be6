// SPDX-License-Identifier: GPL-2.0
// The part of a data client that both roles share: HELLO, WELCOME, BYE, and the cutting of the stream into
// messages. Pure: no sockets, threads or clock, so that the simulation can drive it; client/link.h puts a
// socket and a thread around it.
//
// A client lives longer than its connections: its id and what it holds (grants, deferred requests) stay
// through reconnects, exactly as in the kernel's target.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ddsnapd/protocol/wire.h"

namespace ddsnap::client {

struct ClientOptions {
    snapstore::Uuid client{}; // random, not zero
    snapstore::Uuid volume{}; // all zero: any
    snapstore::Sectors sectors;
    bool read_only = false;
    wire::Kind kind = wire::Kind::process;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::string name = "client";
};

// Where a client's bytes go.
class Outlet {
public:
    virtual ~Outlet() = default;
    // Must take all of it. Never calls back into the client.
    virtual void send(std::span<const std::byte> bytes) = 0;
    // The session is over by the client's wish: refused, left, or the daemon broke the protocol.
    virtual void hang_up(std::string_view reason) = 0;
    // False: the daemon has closed its end, even if disconnected() has not come yet. Asked when an I/O ends
    // that rests on the session.
    virtual bool stands() noexcept { return true; }
};

class ProtocolClient {
public:
    enum class State : std::uint8_t { disconnected, greeting, open, leaving, left, refused };

    virtual ~ProtocolClient() = default;
    ProtocolClient(const ProtocolClient&) = delete;
    ProtocolClient& operator=(const ProtocolClient&) = delete;

    // A connection is there: sends HELLO.
    void connected(Outlet& outlet);
    void on_bytes(std::span<const std::byte> bytes);
    void disconnected();
    // The device goes away: sends BYE. The caller sees to it that nothing is in flight. state() becomes
    // `left` with BYE_ACK.
    void bye();

    State state() const noexcept { return state_; }
    const wire::Welcome& welcome() const noexcept { return welcome_; } // the latest one
    const wire::Refused& refusal() const noexcept { return refusal_; } // if refused
    std::uint64_t sessions() const noexcept { return sessions_; }      // WELCOMEs so far
    bool is_open() const noexcept { return state_ == State::open; }
    std::uint32_t chunk_size() const noexcept { return std::uint32_t{1} << welcome_.chunk_shift; }

protected:
    ProtocolClient(wire::Role role, snapstore::SnapshotId snapshot, const ClientOptions& options);

    virtual void on_welcome() = 0;
    virtual void on_lost() = 0; // the session is over
    virtual void on_message(const wire::Header& header, wire::Bytes message) = 0;
    virtual snapstore::Epoch grants_epoch() const noexcept { return {}; }
    virtual bool drained() const noexcept { return true; } // nothing of an earlier session is under way

    void send(wire::Bytes bytes);
    template <class Message>
    void send_message(const Message& message)
    {
        send(wire::encode(message));
    }
    bool stands() const noexcept { return outlet_ != nullptr && outlet_->stands(); }
    void fail(std::string_view why); // the daemon broke the protocol
    std::uint64_t next_id() noexcept { return ++last_id_; }

private:
    void dispatch(wire::Bytes message);
    void greeted(const wire::Header& header, wire::Bytes message);
    void lose(State next);

    wire::Hello hello_;
    wire::Welcome welcome_;
    wire::Refused refusal_;
    wire::MessageReader reader_;
    Outlet* outlet_ = nullptr;
    State state_ = State::disconnected;
    std::uint64_t last_id_ = 0;
    std::uint64_t sessions_ = 0;
};

} // namespace ddsnap::client
