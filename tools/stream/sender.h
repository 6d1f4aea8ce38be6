// SPDX-License-Identifier: GPL-2.0
// Sends a snapshot, or what changed since another one: read and compressed by several threads, written in
// order. Memory is bounded by kSendWindow batches of at most kMaxDataBytes, whatever the volume's size.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/stream/codec.h"
#include "tools/stream/stream_io.h"

namespace zumastor::stream {

struct ChunkRun {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    bool operator==(const ChunkRun&) const = default;
};

// What is to be sent, in rising order, never overlapping. Empty at the end; may throw.
using RunSource = std::function<std::optional<ChunkRun>()>;

struct ContentPart {
    std::uint64_t offset = 0;
    std::span<std::byte> data; // to be filled
};

// The snapshot's content.
class SnapshotReader {
public:
    virtual ~SnapshotReader() = default;
    // Any number of threads. Offset and length are multiples of 512, the buffer is aligned to 4096. Throws
    // if the content cannot be read: the snapshot was squashed, a device failed, a checksum was wrong.
    virtual void read(std::uint64_t offset, std::span<std::byte> data) = 0;
    // All of them: at once, where that is possible.
    virtual void read_all(std::span<const ContentPart> parts)
    {
        for (const ContentPart& part : parts) {
            read(part.offset, part.data);
        }
    }
};

struct SendOptions {
    Compression compression;
    std::size_t threads = 4;
    std::uint64_t bytes_per_second = 0; // of the stream; 0: no limit
};

// What the receiver has before, if that can be read: of chunks of which a part has changed that part is sent.
// One that fails (it was squashed) is not asked again, and chunks go whole from then on.
struct Base {
    SnapshotReader* reader = nullptr; // none: chunks go whole
    std::uint64_t bytes = 0;          // its size
};

struct SendProgress {
    std::uint64_t chunks = 0; // of header.chunks
    std::uint64_t bytes = 0;  // of the stream
    std::string base_error{}; // not empty: since then chunks went whole
};
// Called after every batch; throws to stop.
using SendObserver = std::function<void(const SendProgress&)>;

// The whole stream, header to end record. What cannot be written throws; so does what reader, source and
// observer throw. Without header.patches the base is not looked at.
SendProgress send(const Header& header, const RunSource& runs, SnapshotReader& reader, ByteSink& sink,
                  const SendOptions& options, const SendObserver& observer, const Base& base = {});

} // namespace zumastor::stream
