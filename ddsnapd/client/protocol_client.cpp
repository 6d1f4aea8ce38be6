// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/protocol_client.h"

#include <utility>

namespace ddsnap::client {

ProtocolClient::ProtocolClient(wire::Role role, snapstore::SnapshotId snapshot, const ClientOptions& options)
{
    hello_.role = role;
    hello_.snapshot = snapshot;
    hello_.client = options.client;
    hello_.volume = options.volume;
    hello_.sectors = options.sectors;
    hello_.read_only = options.read_only;
    hello_.kind = options.kind;
    hello_.major = options.major;
    hello_.minor = options.minor;
    hello_.set_name(options.name);
}

void ProtocolClient::connected(Outlet& outlet)
{
    outlet_ = &outlet;
    reader_ = {};
    state_ = State::greeting;
    hello_.id = next_id();
    hello_.epoch = grants_epoch();
    hello_.features =
        drained() ? DDSNAP_FEATURES : DDSNAP_FEATURES & ~static_cast<std::uint64_t>(DDSNAP_FEATURE_DRAINED);
    send_message(hello_);
}

void ProtocolClient::lose(State next)
{
    const bool was_open = state_ == State::open || state_ == State::leaving;
    outlet_ = nullptr;
    state_ = next;
    if (was_open) {
        on_lost();
    }
}

void ProtocolClient::disconnected()
{
    if (state_ != State::left && state_ != State::refused) {
        lose(State::disconnected);
    }
}

void ProtocolClient::fail(std::string_view why)
{
    if (Outlet* outlet = outlet_; outlet != nullptr) {
        lose(State::disconnected);
        outlet->hang_up(why);
    }
}

void ProtocolClient::bye()
{
    if (state_ == State::open) {
        state_ = State::leaving;
        send_message(wire::Bare{wire::Type::bye, next_id()});
    }
}

void ProtocolClient::send(wire::Bytes bytes)
{
    if (outlet_ != nullptr) {
        outlet_->send(bytes);
    }
}

void ProtocolClient::on_bytes(std::span<const std::byte> bytes)
{
    reader_.feed(bytes);
    while (outlet_ != nullptr) {
        const auto message = reader_.next();
        if (!message) {
            break;
        }
        dispatch(*message);
    }
    if (outlet_ != nullptr && reader_.error() != nullptr) {
        fail(reader_.error());
    }
}

void ProtocolClient::dispatch(wire::Bytes message)
{
    const auto header = wire::Header::decode(message);
    switch (state_) {
    case State::greeting:
        greeted(*header, message);
        return;
    case State::leaving:
        if (header->type == wire::Type::bye_ack) {
            Outlet* outlet = outlet_;
            lose(State::left);
            outlet->hang_up("left");
        }
        return; // answers to what was asked before BYE
    case State::open:
        on_message(*header, message);
        return;
    default:
        return;
    }
}

void ProtocolClient::greeted(const wire::Header& header, wire::Bytes message)
{
    if (header.type == wire::Type::refused) {
        if (const auto refused = wire::Refused::decode(message)) {
            refusal_ = *refused;
            Outlet* outlet = outlet_;
            lose(State::refused);
            outlet->hang_up(refusal_.text_view());
            return;
        }
    }
    const auto welcome = wire::Welcome::decode(message);
    if (header.type != wire::Type::welcome || !welcome || welcome->id != hello_.id) {
        fail("the daemon's message is no answer to HELLO");
        return;
    }
    // Of what we offered: else the daemon speaks in a way that we do not know.
    if (welcome->version < DDSNAP_VERSION_MIN || welcome->version > DDSNAP_VERSION) {
        fail("the daemon's WELCOME is of a protocol version that was not offered");
        return;
    }
    if ((welcome->features & ~std::uint64_t{DDSNAP_FEATURES}) != 0) {
        fail("the daemon's WELCOME has features that were not offered");
        return;
    }
    welcome_ = *welcome;
    hello_.volume = welcome->volume; // the next session is of these, or is refused
    hello_.snapshot_uuid = welcome->snapshot_uuid;
    state_ = State::open;
    ++sessions_;
    on_welcome();
}

} // namespace ddsnap::client
