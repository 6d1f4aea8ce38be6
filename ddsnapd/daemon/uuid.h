// SPDX-License-Identifier: GPL-2.0
// UUIDs as text, and new ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "snapstore/types.h"

namespace ddsnap::daemon {

std::string format_uuid(const snapstore::Uuid& uuid); // lower case, with hyphens
std::optional<snapstore::Uuid> parse_uuid(std::string_view text);
snapstore::Uuid random_uuid(); // version 4, from the kernel's random numbers

} // namespace ddsnap::daemon
