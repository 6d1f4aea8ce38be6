// SPDX-License-Identifier: GPL-2.0
// What a shell offers while a zumastor command is being typed.
#pragma once

#include <string>
#include <vector>

namespace zumastor {

// Names of volumes, snapshots, hosts and kinds, as they are now. What cannot be found out is left out.
std::vector<std::string> names_of(const std::string& argument, const std::string& volume);

} // namespace zumastor
