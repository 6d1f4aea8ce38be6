// SPDX-License-Identifier: GPL-2.0
#include "sim/client.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sim {
Client::Client(Context& context, Listener& listener, Identity identity)
    : context_(context), listener_(listener), identity_(std::move(identity))
{}

void Client::connect_later(Micros delay)
{
    if (std::exchange(connecting_, true)) {
        return;
    }
    context_.scheduler.after(context_.delay(delay), [this] {
        connecting_ = false;
        try_connect();
    });
}

void Client::try_connect()
{
    if (gone_ || connection_) {
        return;
    }
    connection_ = ready() ? listener_.connect(identity_) : nullptr;
    if (!connection_) {
        connect_later(reconnect_delay);
        return;
    }
    connection_->attach(Side::client, this);
    send(hello());
}

ddsnap_hello Client::basic_hello(ddsnap_role role) const
{
    auto hello = make_message<ddsnap_hello>(DDSNAP_HELLO, 1);
    hello.magic = DDSNAP_MAGIC;
    hello.version = DDSNAP_VERSION;
    hello.version_min = DDSNAP_VERSION_MIN;
    hello.features = DDSNAP_FEATURES;
    hello.role = role;
    hello.kind = identity_.kind;
    if (identity_.kind == DDSNAP_CLIENT_KERNEL) {
        hello.major = identity_.major_or_pid;
        hello.minor = identity_.minor;
    }
    std::memcpy(static_cast<void*>(hello.client), identity_.client.data(), identity_.client.size());
    std::copy(identity_.name.begin(), identity_.name.end(), std::begin(hello.name));
    return hello;
}

void Client::send_bytes(const Buffer& bytes)
{
    if (!connection_) {
        return;
    }
    if (unsent_.empty()) {
        const std::size_t sent = connection_->send(Side::client, bytes);
        unsent_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(sent), bytes.end());
    } else {
        // (GCC 14 takes vector::insert here for a write before what it allocates.)
        const std::size_t before = unsent_.size();
        unsent_.resize(before + bytes.size());
        std::copy(bytes.begin(), bytes.end(), unsent_.begin() + static_cast<std::ptrdiff_t>(before));
    }
}

void Client::writable()
{
    const Buffer rest = std::exchange(unsent_, {});
    send_bytes(rest);
}

void Client::received(std::span<const std::byte> bytes)
{
    const bool ok =
        reader_.feed(bytes, [this](const ddsnap_header& header, std::span<const std::byte> message) {
            dispatch(header, message);
        });
    if (!ok) {
        protocol_error("the daemon sent bytes that are no message");
    }
}

void Client::dispatch(const ddsnap_header& header, std::span<const std::byte> bytes)
{
    if (header.type == DDSNAP_WELCOME && !welcomed_) {
        ddsnap_welcome message{};
        if (!decode(bytes, message)) {
            return protocol_error("WELCOME of a wrong length");
        }
        welcomed_ = true;
        ++session_;
        welcome_ = message;
        context_.trace("{}: WELCOME epoch {} flags {}", identity_.name, message.epoch, message.flags);
        welcome(message);
    } else if (header.type == DDSNAP_REFUSED && !welcomed_) {
        ddsnap_refused message{};
        if (!decode(bytes, message)) {
            return protocol_error("REFUSED of a wrong length");
        }
        context_.trace("{}: REFUSED {} '{}'", identity_.name, message.reason,
                       static_cast<char*>(message.text));
        refused(message);
        drop_connection();
    } else if (!welcomed_) {
        protocol_error(fmt::format("message of type {} before WELCOME", header.type));
    } else {
        message(header, bytes);
    }
}

void Client::disconnected()
{
    connection_.reset();
    drop_connection();
}

void Client::drop_connection()
{
    if (connection_) {
        connection_->close(Side::client);
        connection_.reset();
    }
    reader_.clear();
    unsent_.clear();
    if (std::exchange(welcomed_, false)) {
        context_.trace("{}: session lost", identity_.name);
        session_lost();
    }
    if (!gone_) {
        connect_later(reconnect_delay);
    }
}

void Client::break_connection()
{
    if (!gone_ && connection_) {
        context_.trace("{}: ---- the connection breaks ----", identity_.name);
        drop_connection();
    }
}

void Client::leave()
{
    context_.trace("{}: gone", identity_.name);
    gone_ = true;
    drop_connection();
}

void Client::die(Death death)
{
    gone_ = true;
    welcomed_ = false;
    reader_.clear();
    if (connection_) {
        if (death == Death::power) {
            connection_->cut();
        } else {
            connection_->close(Side::client);
        }
        connection_.reset();
    }
}

void Client::protocol_error(const std::string& text)
{
    context_.fail(fmt::format("{}: {}", identity_.name, text));
}

} // namespace sim
