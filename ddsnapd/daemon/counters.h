// SPDX-License-Identifier: GPL-2.0
// Everything that the daemon counts, by name: for `status` and for the metrics.
#pragma once

#include <vector>

#include "ddsnapd/daemon/control_ops.h"

namespace ddsnap::daemon {

struct Counter {
    const char* name;
    std::uint64_t value;
    const char* help;
};

std::vector<Counter> all_counters(const ControlContext& context);

} // namespace ddsnap::daemon
