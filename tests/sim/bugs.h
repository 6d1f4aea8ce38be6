// SPDX-License-Identifier: GPL-2.0
// The bugs that can be planted, by name: what proves that the simulation can fail.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sim/setup.h"

namespace sim {

struct BugEntry {
    std::string_view name;
    std::string_view what;
    std::uint64_t seeds; // within how many it must be found
    int engine = 0;      // enum snapstore::PlantedBug
    int service = 0;     // enum ddsnap::ServiceBug
    ClientBug client = ClientBug::none;
};

// Empty in the build without bugs.
std::span<const BugEntry> all_bugs();
const BugEntry* find_bug(std::string_view name);
// From here on, in this process.
void plant(const BugEntry& bug);

} // namespace sim
