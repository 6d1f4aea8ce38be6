// SPDX-License-Identifier: GPL-2.0
// What the commands that make, apply, send and take deltas share: replication streams (docs/stream-format.md)
// between devices, without any state.
#pragma once

#include <cstdint>
#include <string>

#include "tools/common/changelist.h"
#include "tools/common/failure.h"
#include "tools/stream/devices.h"
#include "tools/stream/stream_io.h"

namespace zumastor::ddsnap {

constexpr std::uint64_t kNoChunkLimit = ~0ull;

// -g LEVEL: 0 none, 1 … 19 zstd's. Throws Exit::usage.
stream::Compression need_compression(const std::string& level);

// The header of a delta or (no `from`) of a whole snapshot; without the number of chunks.
stream::Header delta_header(const std::string& volume_uuid, std::uint64_t chunk_bytes,
                            const std::string& from_uuid, const std::string& to_uuid, std::uint64_t sectors);

// A device that a delta is written to: nobody else may have claimed it (a mount does).
class DeltaDevice {
public:
    explicit DeltaDevice(const std::string& path);

    // Refuses what does not fit. Nothing has been written then.
    void check(const stream::Header& header) const;
    // Writes each record once it has been found right, flushes at the end. Returns the number of chunks.
    // Throws Exit::mismatch with the offset at which the stream is wrong or ends.
    std::uint64_t apply(stream::StreamReader& reader);

private:
    std::string path_;
    ::ddsnap::UniqueFd claim_;
    std::uint64_t bytes_;
};

// The header, or Exit::mismatch.
stream::Header need_header(stream::StreamReader& reader, const std::string& name);
// Reads a stream to its end and checks all that is in it. Throws Exit::mismatch.
void verify_rest(stream::StreamReader& reader, const std::string& name);

} // namespace zumastor::ddsnap
