// SPDX-License-Identifier: GPL-2.0
// The client of a comparison (verify_session.h): both ends hash the same
// snapshot in ranges and compare; what differs is narrowed to chunks, and sent to the replica again if that
// is asked for. Nothing is ever written upstream.
//
//   session 1: open ── hash all ranges ── chunks of those that differ ── repair some of them
//   session 2: open ── are these equal now? ── chunks of the next ranges ── repair … until none is left
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/border.h"
#include "tools/common/daemon.h"
#include "tools/stream/sender.h"
#include "tools/zumastor/replication/differing_ranges.h"
#include "tools/zumastor/replication/progress.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/verify_end.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Between which two volumes.
struct Route {
    VerifyEnd::Side mine = VerifyEnd::Side::upstream;
    HostName host;
    std::string volume;          // its name there
    LoginName ssh_user;          // as whom ssh runs
    stream::SendOptions options; // of what repairs the replica, as for a cycle between these two
};

struct ComparisonOptions {
    std::optional<std::string> snapshot; // none: the newest that both have
    bool repair = false;
    std::uint64_t limit = 0; // of ranges that are listed; all are counted
    ProgressOptions shown;
};

class Comparison {
public:
    Comparison(Volume& volume, Route route, ComparisonOptions options);

    // Compares, in as many sessions as it takes. Throws Failure.
    void run();

private:
    using Runs = std::vector<stream::ChunkRun>;

    bool session();
    bool talk(Pipes pipes);
    UuidText choose(const VerifyHello& hello) const;
    void open(VerifyEnd& mine, const VerifyHello& hello, Pipes pipes);
    void compare_ranges(VerifyEnd& mine, Pipes pipes);
    template <class Visit>
    void compare_chunks(VerifyEnd& mine, Pipes pipes, const stream::ChunkRun& units, const Visit& visit);
    void compare_again(VerifyEnd& mine, Pipes pipes);
    Runs next_differing(VerifyEnd& mine, Pipes pipes);
    void repair(VerifyEnd& mine, const Runs& runs, Pipes pipes);
    VerifyAnswer need_answer(Pipes pipes) const;

    Volume& volume_;
    Route route_;
    ComparisonOptions options_;
    UuidText wanted_; // once it has been chosen
    bool compared_ = false;
    bool tried_repair_ = false;
    Runs pending_; // ranges that differ and have not been narrowed yet
    Runs repaired_;

public:
    SnapshotEntry snapshot;
    std::uint64_t chunk_bytes = 0;
    std::uint64_t bytes = 0; // compared
    DifferingRanges found;
};

} // namespace zumastor
