// SPDX-License-Identifier: GPL-2.0
// What every part of a store stands on: its devices, what its owner wants and is told, the newest durable
// superblock, and whether the store lives.
//
// Invariant: a store that has failed stays so until it is opened anew. Whoever waits in one of the queues
// here is woken then, and must look. What has failed is told with its place (I7). (StoreErrorTest)
//
// May call: nothing of the engine but the observer.
#pragma once

#include "format/block.h"
#include "format/superblock.h"
#include "snapstore/store.h"

namespace snapstore {

inline constexpr std::uint32_t kMaxRange = 1024;    // chunks of one request
inline constexpr std::uint64_t kMaxBatchBlocks = 8; // journal blocks of one commit

struct Context {
    Context(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs);
    Context(const Context&) = delete;

    FramePool& frames() noexcept { return frame_pool; }
    BlockDevice& store_device() noexcept { return *devices.store; }
    BlockDevice& meta_device() noexcept { return devices.meta != nullptr ? *devices.meta : *devices.store; }
    bool separate_meta() const noexcept { return devices.meta != nullptr; }

    std::uint64_t chunk_bytes() const noexcept { return sb.chunk.bytes(); }
    Bytes store_offset(StoreChunk place) const noexcept { return sb.store_offset(place); }
    Result<void> check_running() const;                             // opened, and not closing
    Result<void> check_range(ChunkRange range, Sectors size) const; // of a device of this length
    Result<void> may_go_on_opening() const;

    // `where`: on the device that has failed; 0 if that is not known.
    void fail_store(const char* what, Bytes where = {});
    const Error& failure() const noexcept { return failure_; } // with its place

    Devices devices;
    StoreConfig config;
    StoreObserver& observer;
    FramePool frame_pool; // before everything that coroutines use
    StoreCounters counters;
    Superblock sb; // the newest durable one

    bool opened = false;
    bool opening_stopped = false;
    bool closing = false;
    bool failed = false;

    // Who waits for something to happen. All are woken when the store fails.
    struct {
        WaitQueue commit;     // a commit was applied, or a claim was given up
        WaitQueue checkpoint; // one is durable
        WaitQueue space;      // a step was made towards more room
        WaitQueue tick;       // tick(), space_released() or refill()
    } queues;

private:
    Error failure_{Errc::failed, "", 0};
};

// Flushes the store's device, and that of the metadata.
Task<IoStatus> flush_devices(Context& ctx);

} // namespace snapstore
