// SPDX-License-Identifier: GPL-2.0
// Who may use a store's chunks, as far as the store has to remember it.
#pragma once

#include <vector>

#include "snapstore/store_types.h"

namespace snapstore {

class StoreImpl;

class StoreClients {
public:
    Task<Result<void>>
    attach(const Attachment& attachment);   // durable when it completes; replaces by client id
    Task<Result<void>> detach(Uuid client); // durable when it completes
    const std::vector<Attachment>& attachments() const noexcept;
    // Listeners have released a squashed snapshot: see StoreObserver::released().
    void space_released(SnapshotId id) noexcept;

private:
    friend class Store;
    explicit StoreClients(StoreImpl& impl) noexcept : impl_(impl) {}
    StoreImpl& impl_;
};

} // namespace snapstore
