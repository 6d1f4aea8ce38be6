// SPDX-License-Identifier: GPL-2.0
// How two ends compare a snapshot, over the same kind of pipes as session.h. One end is told what to do (the
// program that ssh has started), the other one tells it:
//
//   teller                                            told
//      ◄── hello: what it has, readable ── JSON line ──
//      open SNAPSHOT                    ── JSON line ──►   answer: its size, or why not
//      hash                             ── JSON line ──►   a line for each range: its hash, "-" if unreadable
//      chunks FIRST COUNT               ── JSON line ──►   the same for each of these chunks
//      take (it is the replica)         ── JSON line and a stream ──►   answer
//      send RUNS (it is upstream)       ── JSON line ──►   a stream of these chunks
//
// `take` and `send` are the session's last words. A stream here has the snapshot both as its base and as what
// it leads to. The told one ends when nobody speaks any more. docs/session-format.md has every field.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/common/border.h"
#include "tools/stream/range_hasher.h"
#include "tools/stream/sender.h"

namespace zumastor {

constexpr std::uint64_t kVerifyUnit = 4u << 20; // bytes of a range: a multiple of every chunk size

struct VerifyHello {
    VolumeName volume; // its name there
    std::string role;  // master, replica, or empty: neither
    std::uint64_t chunk_bytes = 0;
    std::vector<UuidText> snapshots; // UUIDs of those that can be read, oldest first
    std::uint64_t sector_bytes = 0;  // the largest that what it holds can be on (sectors.h); 0: not known
};

struct VerifyRequest {
    std::string what;        // open, hash, chunks, take, send
    UuidText snapshot;       // open
    std::uint64_t bytes = 0; // hash, chunks: how much of the snapshot counts
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::vector<stream::ChunkRun> runs; // send
    std::uint64_t bytes_per_second = 0; // send: at most so many of the stream; 0: no limit of the teller's
};

struct VerifyAnswer {
    std::uint64_t bytes = 0; // open: size of the snapshot
    PlainText error;         // not empty: it cannot be; `next` says what to do
    PlainText next;
    Exit code = Exit::failed;
};

std::string format(const VerifyHello& hello);
std::string format(const VerifyRequest& request);
std::string format(const VerifyAnswer& answer);
// Throw Exit::failed if the text is not understood.
VerifyHello parse_verify_hello(const std::string& line);
VerifyRequest parse_verify_request(const std::string& line);
VerifyAnswer parse_verify_answer(const std::string& line);

std::string format_hash(const stream::RangeHash& hash);
stream::RangeHash parse_hash(const std::string& line);

} // namespace zumastor
