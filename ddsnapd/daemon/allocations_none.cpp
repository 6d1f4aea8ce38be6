// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/allocations.h"

namespace ddsnap::daemon {

std::optional<std::function<std::uint64_t()>> allocation_counter() { return std::nullopt; }

} // namespace ddsnap::daemon
