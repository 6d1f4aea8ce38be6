// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/uuid.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace ddsnap::daemon {

std::string format_uuid(const snapstore::Uuid& uuid)
{
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text += '-';
        }
        text += fmt::format("{:02x}", static_cast<unsigned>(uuid[i]));
    }
    return text;
}

std::optional<snapstore::Uuid> parse_uuid(std::string_view text)
{
    snapstore::Uuid uuid{};
    std::size_t digits = 0;
    for (const char c : text) {
        unsigned value = 0;
        if (c >= '0' && c <= '9') {
            value = static_cast<unsigned>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = static_cast<unsigned>(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            value = static_cast<unsigned>(c - 'A' + 10);
        } else if (c == '-') {
            continue;
        } else {
            return std::nullopt;
        }
        if (digits == 32) {
            return std::nullopt;
        }
        uuid[digits / 2] = static_cast<std::byte>((static_cast<unsigned>(uuid[digits / 2]) << 4) | value);
        ++digits;
    }
    if (digits != 32) {
        return std::nullopt;
    }
    return uuid;
}

snapstore::Uuid random_uuid()
{
    snapstore::Uuid uuid{};
    while (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
        if (errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
    }
    uuid[6] = (uuid[6] & std::byte{0x0f}) | std::byte{0x40};
    uuid[8] = (uuid[8] & std::byte{0x3f}) | std::byte{0x80};
    return uuid;
}

} // namespace ddsnap::daemon
