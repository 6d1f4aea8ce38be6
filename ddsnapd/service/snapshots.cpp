// SPDX-License-Identifier: GPL-2.0
// SNAP_READ, SNAP_WRITE, UNLOCK: where the chunks of a snapshot are; and what happens when it is squashed.
//
// Invariants:
//   The range is locked before the store is asked where its chunks are; what the store does not place on the
//   origin is unlocked again (SessionTest.GrantWaitsForReaders).
//   A SNAP_WRITE holds its lock until the store has copied, even if its session ends meanwhile.
//   The space of a squashed snapshot is reused only when every session has acknowledged INVALID or has
//   ended, and every recorded writer has come back and acknowledged or is proven gone
//   (SquashTest.SquashedSpaceWaitsForItsClients).
#include <algorithm>

#include "ddsnapd/service/core.h"

namespace ddsnap {

using snapstore::Extent;
using snapstore::SnapshotId;
using wire::Status;

void ServiceCore::on_snapshot_request(Session& s, wire::Bytes message)
{
    const auto request = wire::Request::decode(message);
    if (!request) {
        return c_.sessions.protocol_error(s, request.error());
    }
    const bool write = request->type == wire::Type::snap_write;
    if (write && !s.writer()) {
        return c_.sessions.protocol_error(s, "SNAP_WRITE in a read-only session");
    }
    if (request->range.count > c_.config.max_range) {
        return c_.sessions.protocol_error(s, "request names more chunks than allowed");
    }
    RequestSlot* free_slot = nullptr;
    for (std::uint32_t i = 0; i < c_.config.snapshot_credits; ++i) {
        RequestSlot& slot = s.slots[i];
        if (!slot.used) {
            free_slot = &slot;
        } else if (slot.id == request->id) {
            return c_.sessions.protocol_error(s, "request id is in use");
        }
    }
    if (free_slot == nullptr) {
        return c_.sessions.protocol_error(s,
                                          "more requests unanswered or locked than the session has credits");
    }
    if (s.invalid != Session::Invalid::none) {
        return answer(s, request->id, Status::squashed, {});
    }
    free_slot->used = true;
    free_slot->answered = false;
    free_slot->write = write;
    free_slot->id = request->id;
    snapstore::spawn(frames(), serve_snapshot(s, *free_slot, *request));
}

void ServiceCore::release(RequestSlot& slot) noexcept
{
    if (slot.lock.locked()) {
        c_.locks.unlock(slot.lock);
        c_.events.unlocked.raise();
    }
    slot.used = false;
}

void ServiceCore::answer(Session& s, std::uint64_t id, Status status, std::span<const Extent> extents)
{
    wire::ExtentsBuffer buffer;
    c_.sessions.send(s, wire::encode_extents(id, status, extents, buffer));
}

ServiceCore::Task<void> ServiceCore::serve_snapshot(Session& s, RequestSlot& slot, wire::Request request)
{
    const Operation operation(c_.events, &s);
    while (s.alive() && snapshot_requests >= c_.config.snapshot_operations) {
        co_await c_.events.room.wait();
    }
    if (!s.is(Session::State::open)) {
        release(slot);
        co_return;
    }
    std::array<Extent, DDSNAP_MAX_EXTENTS> extents;
    const auto out = std::span(extents).first(std::min<std::size_t>(c_.config.max_extents, extents.size()));
    ++snapshot_requests;
    c_.locks.lock(slot.lock, request.range);
    snapstore::Result<std::size_t> found = 0;
    if (slot.write) {
        found = co_await c_.store.snapshot_write(s.hello.snapshot, request.range, out);
    } else {
        found = co_await c_.store.snapshot_read(s.hello.snapshot, request.range, out);
    }
    --snapshot_requests;
    c_.events.unlocked.raise();
    if (!s.is(Session::State::open) || s.invalid != Session::Invalid::none || !found || *found == 0) {
        release(slot);
        if (s.is(Session::State::open)) {
            answer(s, request.id,
                   s.invalid != Session::Invalid::none ? Status::squashed
                   : found                             ? Status::io
                                                       : wire::status_of(found.error().code),
                   {});
        }
        co_return;
    }
    const auto answered = out.first(*found);
    for (const Extent& e : answered) {
        if (e.kind != Extent::Kind::origin) {
            c_.locks.unlock(slot.lock, {e.first, e.count});
        }
    }
    const auto end_of_answer = snapstore::Chunk{answered.back().first.value + answered.back().count};
    if (const auto end = request.range.end(); end > end_of_answer) {
        c_.locks.unlock(slot.lock, {end_of_answer, static_cast<std::uint32_t>((end - end_of_answer).value)});
    }
    slot.answered = true;
    if (!slot.lock.locked()) {
        slot.used = false;
    }
    answer(s, request.id, Status::ok, answered);
}

void ServiceCore::on_unlock(Session& s, std::uint64_t id)
{
    for (std::uint32_t i = 0; i < c_.config.snapshot_credits; ++i) {
        RequestSlot& slot = s.slots[i];
        if (slot.used && slot.answered && slot.id == id) {
            release(slot);
            return;
        }
    }
    c_.sessions.protocol_error(s, "UNLOCK of a request that holds no lock");
}

void ServiceCore::on_invalid_ack(Session& s)
{
    if (s.invalid != Session::Invalid::sent) {
        return c_.sessions.protocol_error(s, "INVALID_ACK without INVALID");
    }
    s.invalid = Session::Invalid::acked;
    c_.events.release_dirty = true;
}

void ServiceCore::invalidate(Session& s)
{
    s.invalid = Session::Invalid::sent;
    s.invalid_since = c_.events.now;
    ++unacknowledged;
    c_.sessions.send_message(s, wire::Bare{wire::Type::invalid, 0});
}

// A client that does not answer INVALID must not keep origin writes waiting for the snapshot's space: its
// session ends, and with it what it may believe. (For a writer that is not enough: it is recorded.)
void ServiceCore::end_unresponsive()
{
    if (unacknowledged == 0) {
        return;
    }
    unacknowledged = 0;
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (!s.is(Session::State::open) || s.invalid != Session::Invalid::sent) {
            continue;
        }
        if (c_.events.now - s.invalid_since >= c_.config.invalid_patience_ns) {
            c_.sessions.note(Severity::warning, s, "closed: it does not answer INVALID");
            c_.sessions.close(s, "INVALID was not acknowledged");
        } else {
            ++unacknowledged;
        }
    }
}

// ---- squashes ---------------------------------------------------------------------------------

void ServiceCore::squashed(SnapshotId id) noexcept
{
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (s.of_snapshot(id) && s.is(Session::State::open) && s.invalid == Session::Invalid::none) {
            s.may_cache = false;
            invalidate(s);
        }
    }
    c_.events.state_dirty = true;
}

bool ServiceCore::may_reuse(SnapshotId id) const noexcept
{
    for (const auto& s : c_.sessions) {
        if (s->of_snapshot(id) && s->is(Session::State::open) && s->knows_places &&
            s->invalid != Session::Invalid::acked) {
            return false;
        }
    }
    for (const auto& a : c_.store.attachments()) {
        if (a.origin || a.snapshot != id) {
            continue;
        }
        const bool acked = std::any_of(c_.sessions.begin(), c_.sessions.end(), [&](const auto& s) {
            return s->of_client(a.client) && s->invalid == Session::Invalid::acked;
        });
        if (!acked && attachments.may_act(a)) {
            return false;
        }
    }
    return true;
}

bool ServiceCore::released(SnapshotId id) noexcept
{
    if (may_reuse(id)) {
        return true;
    }
    const bool noted = std::find(unreleased.begin(), unreleased.end(), id) != unreleased.end();
    if (!noted) {
        unreleased.push_back(id);
    }
    return false;
}

void ServiceCore::release_squashed()
{
    for (std::size_t i = 0; i < unreleased.size();) {
        const SnapshotId id = unreleased[i];
        if (may_reuse(id)) {
            unreleased.erase(unreleased.begin() + static_cast<std::ptrdiff_t>(i));
            c_.store.space_released(id);
        } else {
            ++i;
        }
    }
}

} // namespace ddsnap
