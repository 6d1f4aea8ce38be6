// SPDX-License-Identifier: GPL-2.0
// What the log says of the store while the daemon runs: warnings while something can still be done, and what
// happened if nothing was. One thread.
#pragma once

#include <cstdint>
#include <set>

#include "ddsnapd/daemon/fill_watch.h"
#include "ddsnapd/daemon/options.h"
#include "ddsnapd/service/service_log.h"
#include "snapstore/store.h"

namespace ddsnap::daemon {

class StoreWatch {
public:
    StoreWatch(const snapstore::Store& store, const Options& options, ServiceLog& log);

    // When the store is open. What was given up by then has been told by the daemon that was there then.
    void begin();
    // A few times a second from then on.
    void look();

private:
    void tell_squashed();

    const snapstore::Store& store_;
    ServiceLog& log_;
    const bool snapshot_first_;
    FillWatch chunks_;
    FillWatch metadata_;
    std::uint64_t squashes_told_ = 0;
    std::set<std::uint64_t> squashed_; // those that are known
};

} // namespace ddsnap::daemon
