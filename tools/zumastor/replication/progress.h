// SPDX-License-Identifier: GPL-2.0
// How far a stream has come: a line that is written over on a terminal, a JSON object a line for programs,
// one line at the end otherwise. On stderr: stdout may be the stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/stream/stream_format.h"
#include "tools/zumastor/replication/estimate.h"

namespace zumastor {

struct ProgressOptions {
    bool quiet = false;
    bool json = false; // counts before quiet
};

class Progress {
public:
    Progress(const ProgressOptions& options, const stream::Header& header);
    // Chunks and bytes of the stream so far. Shown at most a few times a second.
    void show(std::uint64_t chunks, std::uint64_t bytes);
    void finish(std::uint64_t chunks, std::uint64_t bytes);

private:
    using Clock = std::chrono::steady_clock;
    enum class Style : std::uint8_t { quiet, line, as_json, end_only };

    std::string text(std::uint64_t chunks, std::uint64_t bytes, double rate) const;
    std::string json(const char* event, std::uint64_t chunks, std::uint64_t bytes, double seconds) const;

    Style style_;
    std::uint64_t total_;
    std::uint64_t chunk_bytes_;
    Estimate estimate_; // in chunks
    Clock::time_point start_ = Clock::now();
    Clock::time_point next_ = start_;
};

} // namespace zumastor
