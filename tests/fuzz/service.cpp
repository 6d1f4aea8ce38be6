// SPDX-License-Identifier: GPL-2.0
// Four clients that say whatever they like, in any order, beside an administrator. The service closes who
// breaks the protocol; nothing waits for ever; the store stays in order; what the service says can be
// decoded.
//
// Input: operations, see enum Op.
#include <array>
#include <cstring>

#include "ddsnapd/protocol/wire.h"
#include "tests/fuzz/message.h"
#include "tests/fuzz/service_input.h"
#include "tests/fuzz/service_rig.h"

namespace zumastor::fuzz {
namespace {

namespace wire = ddsnap::wire;

bool can_be_decoded(wire::Bytes message)
{
    switch (wire::Header::decode(message)->type) {
    case wire::Type::welcome:
        return wire::Welcome::decode(message).has_value();
    case wire::Type::refused:
        return wire::Refused::decode(message).has_value();
    case wire::Type::grant:
        return wire::Grant::decode(message).has_value();
    case wire::Type::extents:
        return wire::Extents::decode(message).has_value();
    case wire::Type::hold:
    case wire::Type::resume:
    case wire::Type::state:
        return wire::EpochMessage::decode(message).has_value();
    case wire::Type::invalid:
    case wire::Type::bye_ack:
        return wire::Bare::decode(message).has_value();
    default:
        return false; // not the daemon's to send
    }
}

struct Client final : ddsnap::Transport {
    bool send(std::span<const std::byte> bytes) noexcept override
    {
        wire::MessageReader reader;
        reader.feed(bytes);
        const auto message = reader.next();
        if (!message || message->size() != bytes.size() || !can_be_decoded(*message)) {
            finding("the service said what cannot be understood");
        }
        return reads;
    }
    void close(std::string_view) noexcept override { session = nullptr; }

    ddsnap::Session* session = nullptr;
    bool reads = true;
};

class World {
public:
    void step(Input& input)
    {
        const auto op = static_cast<Op>(input.byte() % kOps);
        const unsigned argument = input.byte();
        Client& client = clients_[argument % clients_.size()];
        switch (op) {
        case Op::connect:
            disconnect(client);
            client.reads = true;
            client.session = &rig_.service().connect(client, ddsnap::Peer{{}, 1, 1});
            break;
        case Op::disconnect:
            disconnect(client);
            break;
        case Op::say:
            say(client, take_message(input));
            break;
        case Op::raw:
            say(client, input.bytes(input.byte()));
            break;
        case Op::run:
            rig_.run();
            break;
        case Op::steps:
            for (unsigned i = 0; i < argument % 16 && rig_.step(); ++i) {
            }
            break;
        case Op::tick:
            rig_.tick(std::uint64_t{argument} * 40);
            break;
        case Op::reads:
            client.reads = (argument & 0x80) != 0;
            break;
        case Op::gone:
            rig_.clients_gone = (argument & 1) != 0;
            break;
        default:
            administrate(op, argument);
        }
    }
    void end() { rig_.shut_down(); }

private:
    void disconnect(Client& client)
    {
        if (client.session != nullptr) {
            ddsnap::Session& session = *client.session;
            client.session = nullptr;
            rig_.service().on_disconnect(session, "fuzz");
        }
    }
    void say(Client& client, std::span<const std::byte> bytes)
    {
        if (client.session != nullptr) {
            rig_.service().on_bytes(*client.session, bytes);
        }
    }
    // Starts it only: it ends when it can.
    void administrate(Op op, unsigned argument)
    {
        const snapstore::SnapshotId id{argument % 8};
        if (op == Op::create) {
            (void)rig_.begin(rig_.service().create({}, rig_.now() + argument * std::uint64_t{20'000'000}));
        } else if (op == Op::remove) {
            (void)rig_.begin(rig_.service().remove(id, (argument & 0x80) != 0));
        } else if (op == Op::priority) {
            (void)rig_.begin(rig_.service().set_priority(id, static_cast<std::int8_t>(argument)));
        } else {
            (void)rig_.begin(rig_.service().add_use(id, (argument & 0x80) != 0 ? 1 : -1));
        }
    }

    ServiceRig rig_;
    std::array<Client, 4> clients_;
};

} // namespace
} // namespace zumastor::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    zumastor::fuzz::Input input(data, size);
    zumastor::fuzz::World world;
    while (!input.empty()) {
        world.step(input);
    }
    world.end();
    return 0;
}
