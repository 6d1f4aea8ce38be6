// SPDX-License-Identifier: GPL-2.0
// UUIDs as text and as the stream has them.
#pragma once

#include <string>

#include "snapstore/types.h"
#include "tools/common/border.h"

namespace zumastor {

UuidText format_uuid(const snapstore::Uuid& uuid);  // lower case; empty for all zeros
snapstore::Uuid need_uuid(const std::string& text); // empty gives all zeros; throws if it is none

} // namespace zumastor
