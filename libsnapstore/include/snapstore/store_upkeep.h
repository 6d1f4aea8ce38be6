// SPDX-License-Identifier: GPL-2.0
// What a store's owner has to do, or may do, besides serving it.
#pragma once

#include <functional>

#include "snapstore/store_types.h"

namespace snapstore {

class StoreImpl;

class StoreUpkeep {
public:
    // True if the pools want more memory; then call refill() from outside of any operation.
    bool wants_refill() const noexcept;
    void refill();
    // Lets background work (sweep) take a step if the foreground is idle or `force` is set; called by
    // the owner regularly. The unit of time is the owner's.
    void tick(bool force = false);
    // Completes when no background work is left (tests, ddsnap).
    Task<void> quiesce();
    Task<Result<void>> checkpoint();

    // Reads and compares all metadata (on disk against memory) and, if `data`, all data chunks. `stopping` after
    // stop_checks().
    Task<Result<CheckReport>> check(bool data);
    // Ends each check() under way soon, and each later one.
    void stop_checks() noexcept;
    // Every exception, in key order, to `visit`: for dump. Consistent only while nothing else runs.
    void dump(const std::function<void(const DumpEntry&)>& visit) const;

private:
    friend class Store;
    explicit StoreUpkeep(StoreImpl& impl) noexcept : impl_(impl) {}
    StoreImpl& impl_;
};

} // namespace snapstore
