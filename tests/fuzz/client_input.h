// SPDX-License-Identifier: GPL-2.0
// The input of fuzz target `client`: u8 role (bit 0: of a snapshot); then operations, each u8 operation, u8
// argument.
#pragma once

#include <cstdint>

namespace zumastor::fuzz {

enum class ClientOp : std::uint8_t {
    connect,
    disconnect,
    say, // the daemon: then a message, see message.h
    raw, // the daemon: then u8 length, bytes
    read,
    write, // of the argument's chunk: so many chunks
    complete,
    withdraw,
    bye,
};
inline constexpr unsigned kClientOps = 9;
inline constexpr std::uint64_t kClientChunks = 64;

} // namespace zumastor::fuzz
