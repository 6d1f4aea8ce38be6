// SPDX-License-Identifier: GPL-2.0
// How two ends compare a snapshot, over the same kind of pipes as session.h. One end asks, the client; the
// program that ssh has started answers, the server:
//
//   client                                            server
//      ◄── hello: what it has, readable ── JSON line ──
//      open SNAPSHOT                    ── JSON line ──►   answer: its size, or why not
//      hash                             ── JSON line ──►   a line for each range: its hash, "-" if unreadable
//      chunks FIRST COUNT               ── JSON line ──►   the same for each of these chunks
//      take (it is the replica)         ── JSON line and a stream ──►   answer
//      send RUNS (it is upstream)       ── JSON line ──►   a stream of these chunks
//      end                              ── JSON line ──►   nothing: the session is over
//
// `take`, `send` and `end` are the session's last words. A stream here has the snapshot both as its base and
// as what it leads to. The server ends when nobody speaks any more. docs/session-format.md has every field.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/common/border.h"
#include "tools/stream/range_hasher.h"
#include "tools/stream/sender.h"
#include "tools/zumastor/replication/session.h"

namespace zumastor {

constexpr std::uint64_t kVerifyUnit = 4u << 20; // bytes of a range: a multiple of every chunk size

struct VerifyHello {
    VolumeName volume; // its name there
    std::string role;  // master, replica, or empty: neither
    std::uint64_t chunk_bytes = 0;
    std::vector<UuidText> snapshots; // UUIDs of those that can be read, oldest first
    std::uint64_t sector_bytes = 0;  // the largest that what it holds can be on (sectors.h); 0: not known
};

enum class Ask : std::uint8_t { open, hash, chunks, take, send, end };
const char* name_of(Ask what); // as the line has it

struct VerifyRequest {
    Ask what = Ask::end;
    UuidText snapshot;       // open
    std::uint64_t bytes = 0; // hash, chunks: how much of the snapshot counts
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::vector<stream::ChunkRun> runs; // send
    std::uint64_t bytes_per_second = 0; // send: at most so many of the stream; 0: no limit of the client's
};

struct VerifyAnswer {
    std::uint64_t bytes = 0; // open: size of the snapshot
    Refusal refusal{};
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
