// SPDX-License-Identifier: GPL-2.0
// How two volumes agree on what is sent, over any pair of pipes (ssh makes them):
//
//   receiver                                   sender
//      offer: what it has        ── JSON line ──►
//      ◄── JSON line ──  plan: what comes now, nothing, or why it cannot be
//      ◄── the stream, if the plan says so ──
//      result                    ── JSON line ──►
//
// Who has started the other is of no importance. docs/session-format.md has every field; fields are only ever
// added, unknown ones are ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/border.h"
#include "tools/zumastor/state/replica_state.h"

namespace zumastor {

struct Pipes { // to the other side
    int from = -1;
    int to = -1;
};

// Why something cannot be, as one side tells the other.
struct Refusal {
    PlainText error; // empty: it can be
    PlainText next;  // what to do
    Exit code = Exit::failed;
};
Refusal refusal_of(const Failure& failure);
// Throws what it says, if it is one. `who` said it: "the replica".
void need_no_refusal(const Refusal& refusal, const std::string& who);

struct ReplicaOffer {
    VolumeName volume; // its name there
    UuidText uuid;     // of its store: which replica this is
    UuidText lineage;  // empty: nothing was ever received
    std::uint64_t chunk_bytes = 0;
    std::uint64_t sectors = 0;
    std::vector<UuidText> snapshots;    // UUIDs of those that can be read, oldest first
    std::optional<Reception> reception; // broken off
    bool patches = true;                // a stream may have them
    std::uint64_t bytes_per_second = 0; // at most so many may be sent; 0: no limit of this side's
    std::uint64_t sector_bytes = 0;     // that its snapshots have (sectors.h); 0: not known
};

struct SendPlan {
    bool nothing = false; // the receiver has it already
    bool more = false;    // afterwards another session is needed: this one ends what was broken off
    Refusal refusal{};
    std::uint64_t sector_bytes = 0; // the largest that what is sent can be on (sectors.h); 0: not known
};

struct ReplicaResult {
    bool ok = false;
    UuidText snapshot;
    std::uint64_t id = 0; // its number there
    Refusal refusal{};    // counts if not `ok`
};

// A line of at most 4 MiB, without what follows it. Throws stream::TransferError if it ends too early.
std::string read_line(int fd);
void write_line(int fd, const std::string& line);

// Instead of any of them: why there will be none.
std::string format_refusal(const Failure& failure);

// Throw Exit::failed if the text is not understood, naming the field; if it is a refusal, what the other side
// said.
std::string format(const ReplicaOffer& offer);
std::string format(const SendPlan& plan);
std::string format(const ReplicaResult& result);
ReplicaOffer parse_offer(const std::string& line);
SendPlan parse_plan(const std::string& line);
ReplicaResult parse_result(const std::string& line);

} // namespace zumastor
