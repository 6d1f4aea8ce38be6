// SPDX-License-Identifier: GPL-2.0
// What people are told of a store that has been opened, or could not be.
#pragma once

#include <string>

#include "ddsnapd/daemon/disks.h"
#include "ddsnapd/daemon/options.h"
#include "ddsnapd/service/service_log.h"
#include "snapstore/store.h"

namespace ddsnap::daemon {

void tell_opened(const snapstore::OpenReport& report, const Options& options, ServiceLog& log);

// `store`: the one that could not be opened; what it remembers of its origin is named.
std::string cannot_open(const snapstore::Error& error, const snapstore::Store& store, const Options& options,
                        const Disks& disks);

} // namespace ddsnap::daemon
