// SPDX-License-Identifier: GPL-2.0
// The façade of the engine: a snapshot store. What it does has five parts, each with a header of its own.
//
// The engine has no threads, no clock, no syscalls and no globals. It is driven by its caller: calls
// start operations, completions of BlockDevice requests carry them on, all on one thread. Operations
// that need I/O are coroutines (Task); they are started by being awaited or spawned.
//
// Memory: everything that serves origin().write(), snapshots().read() and snapshots().write() comes from
// pools that are allocated by the constructor and by upkeep().refill(); these three never allocate. create(),
// remove(), open(), check() and listing may allocate.
//
// Invariants (architecture: I1-I8) are stated at the operation that keeps them.
#pragma once

#include <memory>

#include "snapstore/store_clients.h"
#include "snapstore/store_origin.h"
#include "snapstore/store_snapshots.h"
#include "snapstore/store_space.h"
#include "snapstore/store_types.h"
#include "snapstore/store_upkeep.h"

namespace snapstore {

class Store {
public:
    // Writes a new, empty store. Destroys what is on the store and metadata device. Neither checks for
    // nor asks about existing content: that is the caller's duty (probe()).
    static Result<void> check_sizes(const Devices& devices, const Format& format);
    static Task<Result<void>> initialize(FramePool& frames, Devices devices, Format format);
    // Does the device hold a superblock of ours? not_a_store if it does not.
    static Task<Result<StoreInfo>> probe(FramePool& frames, BlockDevice& device);

    Store(Devices devices, const StoreConfig& config, StoreObserver& observer);
    ~Store(); // all I/O must have ended and all operations with it: fail the I/O to give a store up
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    FramePool& frames() noexcept;

    // Loads the metadata, replays the journal, checkpoints. Nothing else may be called before it is done.
    // A second open() is an error.
    Task<Result<OpenReport>> open();
    // Has an open() under way end soon with `stopping`, if it still reads; it has written nothing then.
    void stop_opening() noexcept;
    // Ends background work at a safe point, checkpoints, marks the store clean. No operation may be in
    // flight. After close() only the destructor may be called.
    Task<Result<void>> close();

    StoreOrigin& origin() noexcept { return origin_; }
    const StoreOrigin& origin() const noexcept { return origin_; }
    StoreSnapshots& snapshots() noexcept { return snapshots_; }
    const StoreSnapshots& snapshots() const noexcept { return snapshots_; }
    StoreClients& clients() noexcept { return clients_; }
    const StoreClients& clients() const noexcept { return clients_; }
    StoreSpace& space() noexcept { return space_; }
    StoreUpkeep& upkeep() noexcept { return upkeep_; }
    const StoreUpkeep& upkeep() const noexcept { return upkeep_; }

    // ---- queries, no I/O ----
    Epoch epoch() const noexcept;
    StoreInfo info() const noexcept;
    const StoreCounters& counters() const noexcept;

private:
    std::unique_ptr<StoreImpl> impl_;
    StoreOrigin origin_;
    StoreSnapshots snapshots_;
    StoreClients clients_;
    StoreSpace space_;
    StoreUpkeep upkeep_;
};

} // namespace snapstore
