// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/snapshot_requests.h"

#include <algorithm>
#include <array>

namespace ddsnap {

using snapstore::Extent;
using wire::Status;

void SnapshotRequests::on_request(Session& s, wire::Bytes message)
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
    if (s.invalid != Invalid::none) {
        return answer(s, request->id, Status::squashed, {});
    }
    free_slot->used = true;
    free_slot->answered = false;
    free_slot->write = write;
    free_slot->id = request->id;
    snapstore::spawn(frames(), serve(s, *free_slot, *request));
}

void SnapshotRequests::release(RequestSlot& slot) noexcept
{
    if (slot.lock.locked()) {
        c_.locks.unlock(slot.lock);
        c_.events.unlocked.raise();
    }
    slot.used = false;
}

void SnapshotRequests::answer(Session& s, std::uint64_t id, Status status, std::span<const Extent> extents)
{
    wire::ExtentsBuffer buffer;
    c_.sessions.send(s, wire::encode_extents(id, status, extents, buffer));
}

snapstore::Task<void> SnapshotRequests::serve(Session& s, RequestSlot& slot, wire::Request request)
{
    const Operation operation(c_.events, &s);
    while (s.alive() && in_engine_ >= c_.config.snapshot_operations) {
        co_await c_.events.room.wait();
    }
    if (!s.is(Session::State::open)) {
        release(slot);
        co_return;
    }
    std::array<Extent, DDSNAP_MAX_EXTENTS> extents;
    const auto out = std::span(extents).first(std::min<std::size_t>(c_.config.max_extents, extents.size()));
    ++in_engine_;
    c_.locks.lock(slot.lock, request.range);
    snapstore::Result<std::size_t> found = 0;
    if (slot.write) {
        found = co_await c_.store.snapshots().write(s.hello.snapshot, request.range, out);
    } else {
        found = co_await c_.store.snapshots().read(s.hello.snapshot, request.range, out);
    }
    --in_engine_;
    c_.events.unlocked.raise();
    if (!s.is(Session::State::open) || s.invalid != Invalid::none || !found || *found == 0) {
        release(slot);
        if (s.is(Session::State::open)) {
            answer(s, request.id,
                   s.invalid != Invalid::none ? Status::squashed
                   : found                    ? Status::io
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

void SnapshotRequests::on_unlock(Session& s, std::uint64_t id)
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

} // namespace ddsnap
