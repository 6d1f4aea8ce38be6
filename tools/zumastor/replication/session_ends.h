// SPDX-License-Identifier: GPL-2.0
// The two ends of a session (session.h), whichever side has begun it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/common/failure.h"
#include "tools/stream/sender.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/replication/early_snapshot.h"
#include "tools/zumastor/replication/progress.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// What is asked for beside the usual cycle.
struct CycleOptions {
    std::optional<std::string> snapshot; // this one is sent, not a new one
    bool full = false;                   // everything, not what changed
    ProgressOptions shown;
};

// What one session did.
struct SessionEnd {
    bool more = false;       // another one is needed to finish the cycle
    std::uint64_t bytes = 0; // of the stream
    Troubles troubles{};     // what could not be done beside it
};

// A failure that the other side was told of: it says it to whoever began.
class Refused : public Failure {
public:
    explicit Refused(const Failure& failure) : Failure(failure) {}
};

// The sender's end. `host`: the target; empty, with `early` null: this side was asked to send. Throws Failure
// (Refused among them), stream::TransferError.
SessionEnd send_session(Volume& volume, const CycleOptions& cycle, stream::SendOptions options,
                        const HostName& host, Pipes pipes, EarlySnapshot* early);
// The receiver's end. Throws the same.
SessionEnd receive_session(Volume& volume, const ProgressOptions& shown, Pipes pipes);

// Runs an end on standard input and output, for the other side, which has started this program.
Exit serve_session(const Volume& volume, const std::function<SessionEnd(Pipes)>& session);

} // namespace zumastor
