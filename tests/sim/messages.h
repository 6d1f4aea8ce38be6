// SPDX-License-Identifier: GPL-2.0
// The data protocol as the simulated clients speak it. Written against kernel/ddsnap-protocol.h alone, not
// with the daemon's own encoder, so that a mistake in that one is not made twice.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "kernel/ddsnap-protocol.h"
#include "snapstore/types.h"

namespace sim {

static_assert(std::endian::native == std::endian::little, "the simulation runs on little-endian machines");

using Buffer = std::vector<std::byte>;

template <class Message>
Buffer encode(const Message& message)
{
    static_assert(std::is_trivially_copyable_v<Message>);
    Buffer bytes(sizeof(Message));
    std::memcpy(bytes.data(), &message, sizeof(Message));
    return bytes;
}

template <class Message>
Message make_message(ddsnap_type type, std::uint64_t id = 0)
{
    Message message{};
    auto* header = reinterpret_cast<ddsnap_header*>(&message); // every message begins with it
    header->length = sizeof(Message);
    header->type = static_cast<__le16>(type);
    header->id = id;
    return message;
}

// Cuts a byte stream into messages, however it was fragmented.
class MessageReader {
public:
    using Handler = std::function<void(const ddsnap_header&, std::span<const std::byte>)>;

    // Calls `handler` for each complete message; false if the stream is not made of messages. The handler
    // may clear() the reader: the rest of the bytes is then dropped.
    bool feed(std::span<const std::byte> bytes, const Handler& handler)
    {
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        const std::uint64_t life = life_;
        while (buffer_.size() >= sizeof(ddsnap_header)) {
            ddsnap_header header{};
            std::memcpy(&header, buffer_.data(), sizeof(header));
            if (header.length < sizeof(header) || header.length > DDSNAP_MAX_MESSAGE ||
                header.reserved != 0) {
                return false;
            }
            if (buffer_.size() < header.length) {
                break;
            }
            const Buffer message(buffer_.begin(), buffer_.begin() + header.length);
            buffer_.erase(buffer_.begin(), buffer_.begin() + header.length);
            handler(header, message);
            if (life != life_) {
                break;
            }
        }
        return true;
    }

    void clear()
    {
        buffer_.clear();
        ++life_;
    }

private:
    Buffer buffer_;
    std::uint64_t life_ = 0;
};

template <class Message>
bool decode(std::span<const std::byte> bytes, Message& out)
{
    if (bytes.size() != sizeof(Message)) {
        return false;
    }
    std::memcpy(&out, bytes.data(), sizeof(Message));
    return true;
}

} // namespace sim
