// SPDX-License-Identifier: GPL-2.0
// The engine's only way to the outside: block devices. ddsnapd implements them with io_uring and
// O_DIRECT, the simulation with a volatile cache that loses, reorders and tears.
#pragma once

#include <span>

#include "snapstore/types.h"

namespace snapstore {

enum class IoStatus : std::uint8_t { ok, error };

// One I/O. Owned by the submitter, which keeps it and its buffer alive and untouched until
// on_complete is called. Never allocated on the I/O path: requests live in coroutine frames.
struct IoRequest {
    enum class Op : std::uint8_t { read, write, flush };

    Op op = Op::flush;
    IoStatus status = IoStatus::ok; // valid in on_complete
    Bytes offset;                   // multiple of kBlockSize; 0 for a flush
    std::span<std::byte> buffer;    // size and address multiples of kBlockSize; empty for a flush
    void (*on_complete)(IoRequest&) noexcept = nullptr;
    IoRequest* next = nullptr; // for the device's own queues while it holds the request
    void* context = nullptr;   // for the submitter
};

class BlockDevice {
public:
    virtual ~BlockDevice() = default;

    // Size in bytes, rounded down to kSectorSize. Less than what the store uses only if somebody took it away
    // behind its back; more, when the device has grown. I/O may reach up
    // to the size rounded UP to kBlockSize: what lies beyond the end reads as zeros.
    virtual Bytes size() const noexcept = 0;

    // Starts `request`. on_complete is called exactly once, on the engine's thread, never from within
    // submit(). A completed write is volatile until a flush that was submitted after its completion
    // has completed. Requests in flight at the same time may be executed in any order.
    virtual void submit(IoRequest& request) noexcept = 0;
};

} // namespace snapstore
