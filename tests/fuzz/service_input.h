// SPDX-License-Identifier: GPL-2.0
// The input of fuzz target `service`: operations, each u8 operation, u8 argument. The argument's low bits are
// the client, where it is about one.
#pragma once

#include <cstdint>

namespace zumastor::fuzz {

enum class Op : std::uint8_t {
    connect,
    disconnect,
    say, // then a message, see message.h
    raw, // then u8 length, bytes
    run,
    steps,
    tick,
    reads,
    gone,
    create,
    remove,
    priority,
    use,
};
inline constexpr unsigned kOps = 13;

} // namespace zumastor::fuzz
