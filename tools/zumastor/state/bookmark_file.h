// SPDX-License-Identifier: GPL-2.0
// Where a replica's bookmark is (volume/bookmark.h): /var/lib/zumastor/.state/VOL/bookmark-UUID.changes.
#pragma once

#include <optional>
#include <string>

#include "tools/common/changelist.h"

namespace zumastor {

// `replica`: UUID of its store.
std::string bookmark_file(const std::string& state_directory, const std::string& replica);
// Empty if there is none. Throws if it is damaged.
std::optional<Changelist> load_bookmark(const std::string& state_directory, const std::string& replica);

} // namespace zumastor
