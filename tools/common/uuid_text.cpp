// SPDX-License-Identifier: GPL-2.0
#include "tools/common/uuid_text.h"

#include <array>
#include <cstring>

#include <uuid/uuid.h>

#include "tools/common/failure.h"

namespace zumastor {

UuidText format_uuid(const snapstore::Uuid& uuid)
{
    if (uuid == snapstore::Uuid{}) {
        return {};
    }
    uuid_t binary;
    std::memcpy(binary, uuid.data(), uuid.size());
    std::array<char, 37> text{};
    uuid_unparse_lower(binary, text.data());
    return UuidText::need(text.data());
}

snapstore::Uuid need_uuid(const std::string& text)
{
    snapstore::Uuid uuid{};
    uuid_t binary;
    const UuidText checked = UuidText::need(text);
    if (checked.empty()) {
        return uuid;
    }
    if (uuid_parse(checked.c_str(), binary) != 0) {
        throw Failure(Exit::failed, "'" + checked + "' is not a UUID");
    }
    std::memcpy(uuid.data(), binary, uuid.size());
    return uuid;
}

} // namespace zumastor
