// SPDX-License-Identifier: GPL-2.0
// Names of messages and statuses, for logs.
#include "ddsnapd/protocol/wire.h"

namespace ddsnap::wire {

std::string_view name_of(Type type) noexcept
{
    static constexpr std::array<std::string_view, DDSNAP_BYE_ACK + 1> kNames{
        "?",      "HELLO", "WELCOME", "REFUSED", "WRITE", "GRANT",   "SNAP_READ",   "SNAP_WRITE", "EXTENTS",
        "UNLOCK", "HOLD",  "HELD",    "RESUME",  "STATE", "INVALID", "INVALID_ACK", "BYE",        "BYE_ACK"};
    const auto index = static_cast<std::size_t>(type);
    return index < kNames.size() ? kNames[index] : kNames[0];
}

std::string_view name_of(Status status) noexcept
{
    static constexpr std::array<std::string_view, DDSNAP_ERR_INVALID + 1> kNames{"ok",
                                                                                 "no common protocol version",
                                                                                 "another volume",
                                                                                 "no such snapshot",
                                                                                 "snapshot squashed",
                                                                                 "busy",
                                                                                 "device too large",
                                                                                 "beyond the end",
                                                                                 "I/O error",
                                                                                 "no space",
                                                                                 "corrupt data",
                                                                                 "daemon stopping",
                                                                                 "invalid request"};
    const auto index = static_cast<std::size_t>(status);
    return index < kNames.size() ? kNames[index] : "?";
}

} // namespace ddsnap::wire
