// SPDX-License-Identifier: GPL-2.0
// Applies a stream to a volume: verified, decompressed and written by several threads, each chunk only after
// its record has been found right. What the stream is for, and whether it may be applied, is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "tools/stream/codec.h"
#include "tools/stream/stream_io.h"

namespace zumastor::stream {

struct VolumePart {
    std::uint64_t offset = 0;
    Bytes data;
};

// What is written to. Any number of threads; offsets and lengths are multiples of 512, buffers are aligned
// to 4096. All throw on failure.
class VolumeWriter {
public:
    virtual ~VolumeWriter() = default;
    virtual void write(std::uint64_t offset, Bytes data) = 0;
    // All of them, in any order: at once, where that is possible.
    virtual void write_all(std::span<const VolumePart> parts)
    {
        for (const VolumePart& part : parts) {
            write(part.offset, part.data);
        }
    }
    virtual void zero(std::uint64_t offset, std::uint64_t length) = 0;
    virtual void flush() = 0; // what was written before survives the power from now on
};

struct ReceiveOptions {
    // Each writes all of a batch at once, and then waits for the copies of what that overwrites more than it
    // works.
    std::size_t threads = 6;
    // Between two flushes: bytes of the volume, or time, whichever comes first. `reached` is called when one
    // is done, perhaps on another thread, but never twice at once: what came after it was begun is sent again
    // after a crash.
    std::uint64_t interval = 64ull << 20;
    std::chrono::milliseconds interval_time{3000};
};

struct ReceiveProgress {
    std::uint64_t chunks = 0;     // of header.chunks
    std::uint64_t next_chunk = 0; // all chunks of the stream below it have been written
    std::uint64_t bytes = 0;      // of the stream
};

struct ReceiveHooks {
    std::function<void(const ReceiveProgress&)> moved;     // after every record read; throws to stop
    std::function<void(std::uint64_t next_chunk)> reached; // what is below has been flushed: remember it
    // Chunks of each record, as it comes: before any of it is written, and before `reached` tells of it.
    std::function<void(std::uint64_t first, std::uint64_t count)> came{};
};

// The stream is broken or not what it should be; `what()` says where. Nothing of the record in question has
// been written, but records before it may have been.
class BadStream : public TransferError {
public:
    explicit BadStream(const Error& error);
};

// `reader` has read the header. Returns after the end record was verified and everything flushed. Throws
// BadStream, or what the stream's source, writer and hooks throw. What has come before a stream broke off, or
// before it was interrupted, is flushed and remembered first.
ReceiveProgress receive(StreamReader& reader, VolumeWriter& writer, const ReceiveOptions& options,
                        const ReceiveHooks& hooks);

} // namespace zumastor::stream
