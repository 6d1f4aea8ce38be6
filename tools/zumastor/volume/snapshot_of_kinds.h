// SPDX-License-Identifier: GPL-2.0
// A snapshot that an administrator or a timer asks for.
#pragma once

#include <string>
#include <vector>

#include "tools/common/failure.h"

namespace zumastor {

// Takes a snapshot of these kinds, mounts it and rotates its kinds; prints its number. On a replica, the next
// snapshot that comes is to be of these kinds, too. `dry`: checks everything, says what would be done. Throws
// Failure.
Exit snapshot_of_kinds(const std::string& volume, const std::vector<std::string>& kinds, bool dry);

} // namespace zumastor
