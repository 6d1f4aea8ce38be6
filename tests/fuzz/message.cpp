// SPDX-License-Identifier: GPL-2.0
#include "tests/fuzz/message.h"

#include <cstring>

namespace zumastor::fuzz {

std::vector<std::byte> take_message(Input& input)
{
    ddsnap_header header{};
    header.type = static_cast<__le16>(input.byte());
    header.id = input.byte();
    const auto body = input.bytes(input.byte());
    header.length = static_cast<__le32>(sizeof header + body.size());
    std::vector<std::byte> message(header.length);
    std::memcpy(message.data(), &header, sizeof header);
    std::copy(body.begin(), body.end(), message.begin() + sizeof header);
    return message;
}

void put_message(Output& output, ddsnap::wire::Bytes message)
{
    ddsnap_header header{};
    std::memcpy(&header, message.data(), sizeof header);
    const auto body = message.subspan(sizeof header);
    output.byte(header.type).byte(static_cast<unsigned>(header.id)).byte(static_cast<unsigned>(body.size()));
    output.bytes(body);
}

} // namespace zumastor::fuzz
