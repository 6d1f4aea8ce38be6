// SPDX-License-Identifier: GPL-2.0
// A session with a peer whose connection may break.
#pragma once

#include <string>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/stream/byte_stream.h"
#include "tools/zumastor/replication/peer.h"
#include "tools/zumastor/replication/session.h"

namespace zumastor {

// Runs `session` on the peer's pipes and returns what it does. A connection that breaks becomes a Failure
// with what the peer said; `next`: what to do then. An interrupt comes before what it may have looked like.
template <class Session>
auto in_session(Peer& peer, const std::string& next, const Session& session)
{
    try {
        return session(Pipes{peer.from(), peer.to()});
    } catch (const Failure&) {
        check_interrupt();
        throw;
    } catch (const stream::TransferError& error) {
        check_interrupt();
        throw_broken(peer, error.what(), next);
    }
}

// That zumastor there has ended with this status.
inline Failure ended_with(const Peer& peer, int status)
{
    return Failure(Exit::failed,
                   peer.host() + ": zumastor there ended with exit code " + std::to_string(status));
}

} // namespace zumastor
