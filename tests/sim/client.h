// SPDX-License-Identifier: GPL-2.0
// What the simulated clients have in common: an identity, a connection that is made again when it breaks,
// and the data protocol's opening.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sim/connection.h"
#include "sim/context.h"
#include "sim/messages.h"
#include "sim/port.h"

namespace sim {

// Who a client is, as the daemon's proof of absence sees it.
struct Identity {
    snapstore::Uuid client{};
    snapstore::Uuid boot{};
    ddsnap_client_kind kind = DDSNAP_CLIENT_KERNEL;
    std::uint32_t major_or_pid = 0;
    std::uint32_t minor = 0;
    std::uint64_t start_time = 0;
    std::string name;
};

// The place where clients knock. Null: nobody listens.
class Listener {
public:
    virtual ~Listener() = default;
    virtual std::shared_ptr<Connection> connect(const Identity& identity) = 0;
};

class Client : public Endpoint {
public:
    Client(Context& context, Listener& listener, Identity identity);

    const Identity& identity() const noexcept { return identity_; }
    bool in_session() const noexcept { return welcomed_; }
    bool gone() const noexcept { return gone_; }

    Micros reconnect_delay = 500; // typical time until a broken connection is made again
    // I/Os of this client that disks may still execute.
    virtual std::size_t io_under_way() const noexcept = 0;

    // Begins to connect; goes on trying until the client is gone.
    void start() { connect_later(1); }
    // The connection breaks, for whatever reason; it will be made again.
    void break_connection();
    // The host loses power, or the process is killed: nothing more happens here.
    virtual void die(Death death);

    void received(std::span<const std::byte> bytes) final;
    void disconnected() final;
    void writable() final;

protected:
    virtual ddsnap_hello hello() = 0;
    virtual void welcome(const ddsnap_welcome& welcome) = 0;
    virtual void refused(const ddsnap_refused& refused) = 0;
    virtual void message(const ddsnap_header& header, std::span<const std::byte> bytes) = 0;
    // The session is over; what it gave is worth nothing any more.
    virtual void session_lost() = 0;
    // May it say HELLO? Asked again a little later.
    virtual bool ready() const noexcept { return true; }
    // What the kernel's client looks at when an I/O ends.
    bool daemon_closed() const noexcept { return connection_ && connection_->peer_closed(Side::client); }

    template <class Message>
    void send(const Message& bytes)
    {
        send_bytes(encode(bytes));
    }
    ddsnap_hello basic_hello(ddsnap_role role) const;
    // Closes the connection; a new one is made unless the client is leave()ing.
    void drop_connection();
    // In order: no connection is made any more, the device or process no longer exists.
    void leave();
    void protocol_error(const std::string& text);

    Context& context_;
    std::uint64_t session_ = 0; // counts the sessions of this client; 0 = never had one
    ddsnap_welcome welcome_{};

private:
    void connect_later(Micros delay);
    void try_connect();
    void send_bytes(const Buffer& bytes);
    void dispatch(const ddsnap_header& header, std::span<const std::byte> bytes);

    Listener& listener_;
    Identity identity_;
    std::shared_ptr<Connection> connection_;
    MessageReader reader_;
    Buffer unsent_;
    bool welcomed_ = false;
    bool connecting_ = false;
    bool gone_ = false;
};

} // namespace sim
