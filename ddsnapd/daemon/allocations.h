// SPDX-License-Identifier: GPL-2.0
// In the test build of the daemon (ddsnapd_counting): how often its thread has asked the heap for memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace ddsnap::daemon {

// None in a build that does not count.
std::optional<std::function<std::uint64_t()>> allocation_counter();

} // namespace ddsnap::daemon
