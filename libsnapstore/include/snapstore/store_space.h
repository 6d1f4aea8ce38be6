// SPDX-License-Identifier: GPL-2.0
// How much of its devices a store uses.
#pragma once

#include "snapstore/store_types.h"

namespace snapstore {

class StoreImpl;

class StoreSpace {
public:
    // The part of the store device that is used; the data area grows to it. Durable when it completes. The
    // metadata zone stays as it is.
    //   too_small   the device is smaller
    //   invalid     fewer chunks than there are
    //   busy        it is being shrunk
    Task<Result<void>> grow(Bytes size);
    // As grow(), for a smaller part: moves what lies beyond its end. Everything else goes on
    // meanwhile. Durable when it completes, and nothing beyond the end is read or written from then on; a
    // crash leaves the old length or the new one. No snapshot is given up for it. After an error all of the
    // store is used as before.
    //   no_space            more chunks are in use (where: how many), or writes have needed the room meanwhile
    //   too_small           there would be fewer than kMinStoreChunks
    //   invalid             it is not smaller
    //   busy                it is under way already
    //   corrupt, io_error   a chunk that is to be moved cannot be read (where: the byte)
    //   other               the error of users.hold_writers()
    Task<Result<void>> shrink(Bytes size, PlaceUsers& users);
    // How much of a separate metadata device is used: more for more exceptions, or less. What lies beyond a
    // new end is written anew below it; everything else goes on meanwhile. Durable when it completes, and
    // nothing beyond the end is read or written from then on; a crash leaves the old length or the new one.
    // After an error all of it is used as before.
    //   too_small     the device is smaller
    //   unsupported   there is no such device
    //   no_space      a store of this size, or what it holds, needs more (where: how much, in bytes), or
    //                 writes have needed the room meanwhile
    //   busy          it is under way already
    Task<Result<void>> resize_meta(Bytes size);
    // Has a shrink() or resize_meta() under way end soon, mostly with an error (stopping).
    void stop_shrinking();
    bool shrink_stopped() const noexcept; // it is to be given up: room is needed, or the store has failed

private:
    friend class Store;
    explicit StoreSpace(StoreImpl& impl) noexcept : impl_(impl) {}
    StoreImpl& impl_;
};

} // namespace snapstore
