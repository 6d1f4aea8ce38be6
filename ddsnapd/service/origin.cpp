// SPDX-License-Identifier: GPL-2.0
// WRITE and GRANT: the daemon's part of an origin write. Nothing here allocates.
//
// Invariants:
//   I1  GRANT follows the durable copy-out (SessionTest.GrantFollowsTheCopy).
//   A grant is sent only in the epoch it was asked in; the answer to an older WRITE is dropped: RESUME told
//   the client to ask again (SessionTest.WritesOfAnOldEpochAreDropped).
//   No grant is sent for a chunk that a snapshot reader has locked. It is enough to look after the
//   copy-out: once that is durable the store never again answers "origin" for these chunks
//   (SessionTest.GrantWaitsForReaders). Readers cannot starve a writer: locks that come later are
//   held only while the store looks up.
#include "ddsnapd/service/core.h"

namespace ddsnap {

using wire::Status;

bool ServiceCore::of_this_epoch(const wire::Request& request) const noexcept
{
    return request.epoch == c_.store.epoch() || planted(ServiceBug::grant_of_old_epoch_sent);
}

bool ServiceCore::must_wait_for_readers(snapstore::ChunkRange range) const noexcept
{
    return c_.locks.overlaps(range) && !planted(ServiceBug::grant_ignores_read_locks);
}

void ServiceCore::grant(Session& s, const wire::Request& request, Status status)
{
    if (s.outstanding > 0) {
        --s.outstanding;
    }
    if (status == Status::ok) {
        ++c_.counters.grants;
    }
    c_.sessions.send_message(s, wire::Grant{request.id, request.range, c_.store.epoch(), status});
}

void ServiceCore::on_write(Session& s, wire::Bytes message)
{
    const auto request = wire::Request::decode(message);
    if (!request) {
        return c_.sessions.protocol_error(s, request.error());
    }
    if (s.hold == Session::Hold::held) {
        return c_.sessions.protocol_error(s, "WRITE between HELD and RESUME");
    }
    if (request->range.count > c_.config.max_range) {
        return c_.sessions.protocol_error(s, "WRITE names more chunks than allowed");
    }
    if (!of_this_epoch(*request)) {
        ++c_.counters.stale_writes;
        return;
    }
    if (++s.outstanding > c_.config.origin_credits) {
        return c_.sessions.protocol_error(s, "more WRITEs unanswered than the session has credits");
    }
    if (request->range.end().value > origin_chunks) {
        return grant(s, *request, Status::range);
    }
    if (c_.store.writable(request->range) && !must_wait_for_readers(request->range)) {
        return grant(s, *request, Status::ok);
    }
    snapstore::spawn(frames(), serve_write(s, *request));
}

ServiceCore::Task<snapstore::Result<void>> ServiceCore::copy_out(snapstore::ChunkRange range)
{
    // Sessions that come and go may leave more behind than one session's credits.
    while (copies >= c_.config.origin_credits) {
        co_await c_.events.room.wait();
    }
    ++copies;
    auto done = co_await c_.store.origin_write(range);
    --copies;
    c_.events.room.raise();
    c_.events.barrier_moved.raise();
    co_return done;
}

ServiceCore::Task<void> ServiceCore::serve_write(Session& s, wire::Request request)
{
    const Operation operation(c_.events, &s);
    if (planted(ServiceBug::grant_before_commit)) {
        grant(s, request, Status::ok);
    }
    Status status = Status::ok;
    if (!c_.store.writable(request.range)) {
        if (const auto done = co_await copy_out(request.range); !done) {
            status = wire::status_of(done.error().code);
        }
    }
    if (status == Status::ok && must_wait_for_readers(request.range)) {
        ++c_.counters.lock_waits;
        while (s.alive() && of_this_epoch(request) && must_wait_for_readers(request.range)) {
            co_await c_.events.unlocked.wait();
        }
    }
    if (!of_this_epoch(request)) {
        ++c_.counters.stale_writes;
        co_return;
    }
    if (s.is(Session::State::open) && !planted(ServiceBug::grant_before_commit)) {
        grant(s, request, status);
    }
}

} // namespace ddsnap
