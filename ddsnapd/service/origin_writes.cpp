// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/origin_writes.h"

#include "ddsnapd/service/planted_bugs.h"

namespace ddsnap {

using wire::Status;

OriginWrites::OriginWrites(Common& common) : c_(common)
{
    // A WRITE needs three frames: the spawned one, serve() and copy_out().
    frames().reserve(std::size_t{c_.config.origin_credits} * 3, 512);
}

void OriginWrites::measure()
{
    const auto info = c_.store.info();
    const std::uint64_t per_chunk = (std::uint64_t{1} << info.chunk_shift) / snapstore::kSectorSize.value;
    chunks_ = (info.origin_size.value + per_chunk - 1) / per_chunk;
}

bool OriginWrites::of_this_epoch(const wire::Request& request) const noexcept
{
    return request.epoch == c_.store.epoch() || planted(ServiceBug::grant_of_old_epoch_sent);
}

bool OriginWrites::must_wait_for_readers(snapstore::ChunkRange range) const noexcept
{
    return c_.locks.overlaps(range) && !planted(ServiceBug::grant_ignores_read_locks);
}

void OriginWrites::grant(Session& s, const wire::Request& request, Status status)
{
    if (s.outstanding > 0) {
        --s.outstanding;
    }
    if (status == Status::ok) {
        ++c_.counters.grants;
    }
    c_.sessions.send_message(s, wire::Grant{request.id, request.range, c_.store.epoch(), status});
}

void OriginWrites::on_write(Session& s, wire::Bytes message)
{
    const auto request = wire::Request::decode(message);
    if (!request) {
        return c_.sessions.protocol_error(s, request.error());
    }
    if (s.hold == Hold::held) {
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
    if (request->range.end().value > chunks_) {
        return grant(s, *request, Status::range);
    }
    if (c_.store.origin().writable(request->range) && !must_wait_for_readers(request->range)) {
        return grant(s, *request, Status::ok);
    }
    snapstore::spawn(frames(), serve(s, *request));
}

snapstore::Task<snapstore::Result<void>> OriginWrites::copy_out(snapstore::ChunkRange range)
{
    // Sessions that come and go may leave more behind than one session's credits.
    while (copies_ >= c_.config.origin_credits) {
        co_await c_.events.room.wait();
    }
    ++copies_;
    auto done = co_await c_.store.origin().write(range);
    --copies_;
    c_.events.room.raise();
    c_.events.barrier_moved.raise();
    co_return done;
}

snapstore::Task<void> OriginWrites::serve(Session& s, wire::Request request)
{
    const Operation operation(c_.events, &s);
    if (planted(ServiceBug::grant_before_commit)) {
        grant(s, request, Status::ok);
    }
    Status status = Status::ok;
    if (!c_.store.origin().writable(request.range)) {
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
