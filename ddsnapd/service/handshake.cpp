// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/handshake.h"

#include <algorithm>

#include <fmt/format.h>

namespace ddsnap {

using snapstore::SnapshotState;
using wire::Role;
using wire::Status;

Handshake::Handshake(Common& common, Attachments& attachments, Squash& squash, Barrier& barrier,
                     const OriginResize& origin_resize, const StoreResize& store_resize,
                     const Removal& removal) noexcept
    : c_(common), attachments_(attachments), squash_(squash), barrier_(barrier),
      origin_resize_(origin_resize), store_resize_(store_resize), removal_(removal)
{}

Refusal Handshake::judge_snapshot(const wire::Hello& hello) const
{
    const auto info = c_.store.snapshots().find(hello.snapshot);
    if (!info || info->state == SnapshotState::deleting) {
        return {Status::no_snapshot, fmt::format("there is no snapshot {}", hello.snapshot.value)};
    }
    if (hello.snapshot_uuid != snapstore::Uuid{} && hello.snapshot_uuid != info->uuid) {
        return {Status::no_snapshot,
                fmt::format("another snapshot has the number {} now", hello.snapshot.value)};
    }
    if (removal_.removes(hello.snapshot)) {
        return {Status::busy, fmt::format("snapshot {} is being deleted", hello.snapshot.value)};
    }
    if (hello.sectors > info->size) {
        return {Status::size, fmt::format("the snapshot has {} sectors, fewer than the device's {}",
                                          info->size.value, hello.sectors.value)};
    }
    return {};
}

Refusal Handshake::check(const wire::Hello& hello) const
{
    if (c_.events.stopping) {
        return {Status::stopping, "the daemon is stopping"};
    }
    if (hello.version < DDSNAP_VERSION_MIN || hello.version_min > DDSNAP_VERSION) {
        return {Status::version,
                fmt::format("the daemon speaks protocol versions {} to {}, the client {} to {}",
                            DDSNAP_VERSION_MIN, DDSNAP_VERSION, hello.version_min, hello.version)};
    }
    const auto info = c_.store.info();
    if (hello.volume != snapstore::Uuid{} && hello.volume != info.uuid) {
        return {Status::volume, "the daemon serves another volume"};
    }
    if (hello.client == snapstore::Uuid{}) {
        return {Status::invalid, "the client's id is all zero"};
    }
    const snapstore::Attachment* known = attachments_.recorded(hello.client);
    const bool origin = hello.role == Role::origin;
    if (known != nullptr && (known->origin != origin || (!origin && known->snapshot != hello.snapshot))) {
        return {Status::invalid, "the client's id belongs to another device"};
    }
    if (known != nullptr && hello.read_only) {
        return {Status::invalid, "the client is attached as one that writes"};
    }
    if (!origin) {
        return judge_snapshot(hello);
    }
    if (barrier_.epoch_unknown()) {
        return {Status::io, "the store failed while a snapshot was being recorded: restart ddsnapd"};
    }
    const auto size = origin_resize_.limit(info.origin_size);
    if (hello.sectors > size) {
        return {Status::size, fmt::format("the origin has {} sectors, fewer than the device's {}", size.value,
                                          hello.sectors.value)};
    }
    return {};
}

Refusal Handshake::judge_rivals(const Session& s) const
{
    for (const auto& other : c_.sessions) {
        const bool same_place = other->alive() && other.get() != &s &&
                                other->state > Session::State::greeting &&
                                other->hello.role == s.hello.role &&
                                (s.hello.role == Role::origin || other->hello.snapshot == s.hello.snapshot);
        if (!same_place || s.hello.read_only) {
            continue;
        }
        if (other->writer() || other->may_cache) {
            return {Status::busy, fmt::format("{} has the device open (session {})", other->hello.name_view(),
                                              other->number)};
        }
    }
    return {};
}

void Handshake::refuse(Session& s, const Refusal& refusal)
{
    ++c_.counters.refused;
    c_.sessions.note(Severity::warning, s, fmt::format("refused: {}", refusal.text));
    wire::Refused message;
    message.id = s.hello.id;
    message.reason = refusal.reason;
    message.set_text(refusal.text);
    c_.sessions.send_message(s, message);
    c_.sessions.close(s, refusal.text);
}

void Handshake::on_hello(Session& s, wire::Bytes message)
{
    const auto hello = wire::Hello::decode(message);
    if (!hello) {
        c_.sessions.protocol_error(s, hello.error());
        return;
    }
    if (const Refusal refusal = check(*hello); refusal.reason != Status::ok) {
        s.hello = *hello;
        refuse(s, refusal);
        return;
    }
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& old = c_.sessions[i];
        if (&old != &s && old.of_client(hello->client)) {
            c_.sessions.note(Severity::info, old, "closed: its client has connected again");
            c_.sessions.close(old, "the client has connected again");
        }
    }
    s.hello = *hello;
    s.state = Session::State::opening;
    if (const Refusal refusal = judge_rivals(s); refusal.reason != Status::ok) {
        refuse(s, refusal);
        return;
    }
    if (s.hello.role == Role::snapshot) {
        s.slots = std::make_unique<RequestSlot[]>(c_.config.snapshot_credits);
    }
    if (s.writer()) {
        snapstore::spawn(frames(), open_writer(s));
    } else {
        welcome(s);
    }
}

snapstore::Task<void> Handshake::open_writer(Session& s)
{
    const Operation operation(c_.events, &s);
    const bool dead_snapshot =
        s.hello.role == Role::snapshot &&
        c_.store.snapshots().state_of(s.hello.snapshot).value_or(SnapshotState::normal) !=
            SnapshotState::normal;
    Refusal refusal;
    if (!dead_snapshot) { // a squashed snapshot takes no writes: nothing to record
        refusal = co_await attachments_.attach(s);
    }
    c_.events.barrier_moved.raise(); // hold_writers() may have waited for this one
    while (s.is(Session::State::opening) &&
           (store_resize_.held_back(s) || (s.origin_writer() && barrier_.committing()))) {
        co_await c_.events.barrier_moved.wait();
    }
    if (!s.is(Session::State::opening)) {
        co_return;
    }
    if (refusal.reason == Status::ok) {
        refusal = check(s.hello); // much may have happened since
    }
    if (refusal.reason != Status::ok) {
        refuse(s, refusal);
        co_return;
    }
    welcome(s);
}

void Handshake::welcome(Session& s)
{
    const auto info = c_.store.info();
    wire::Welcome m;
    m.id = s.hello.id;
    m.version = std::min<std::uint16_t>(DDSNAP_VERSION, s.hello.version);
    m.chunk_shift = static_cast<std::uint16_t>(info.chunk_shift);
    m.features = s.hello.features & DDSNAP_FEATURES;
    m.epoch = c_.store.epoch();
    m.max_range = c_.config.max_range;
    m.volume = info.uuid;
    m.session = s.number;
    bool squashed_snapshot = false;
    if (s.hello.role == Role::origin) {
        m.credits = c_.config.origin_credits;
        m.sectors = info.origin_size;
        s.told_no_snapshots = barrier_.needs_no_grants();
        m.flags = s.told_no_snapshots ? DDSNAP_FLAG_NO_SNAPSHOTS : 0;
    } else {
        const auto snapshot = c_.store.snapshots().find(s.hello.snapshot);
        m.credits = c_.config.snapshot_credits;
        m.sectors = snapshot ? snapshot->size : snapstore::Sectors{};
        m.snapshot_uuid = snapshot ? snapshot->uuid : snapstore::Uuid{};
        squashed_snapshot = !snapshot || snapshot->state != SnapshotState::normal;
        const bool other_writer =
            !s.writer() && (attachments_.writer_recorded(s.hello.snapshot) ||
                            std::any_of(c_.sessions.begin(), c_.sessions.end(), [&](const auto& other) {
                                return other.get() != &s && other->of_snapshot(s.hello.snapshot) &&
                                       other->writer();
                            }));
        s.may_cache = !squashed_snapshot && !other_writer;
        s.knows_places = !squashed_snapshot;
        m.flags = (s.may_cache ? DDSNAP_FLAG_MAY_CACHE : 0) | (squashed_snapshot ? DDSNAP_FLAG_SQUASHED : 0);
    }
    s.state = Session::State::open;
    ++c_.counters.sessions;
    c_.sessions.note(Severity::info, s, "open");
    c_.sessions.send_message(s, m);
    if (squashed_snapshot && s.alive()) {
        squash_.invalidate(s);
    }
    barrier_.welcomed(s);
    c_.events.barrier_moved.raise();
}

void Handshake::on_bye(Session& s)
{
    s.state = Session::State::leaving;
    snapstore::spawn(frames(), leave(s));
}

snapstore::Task<void> Handshake::leave(Session& s)
{
    const Operation operation(c_.events, &s);
    if (attachments_.recorded(s.hello.client) != nullptr) {
        if (const auto done = co_await c_.store.clients().detach(s.hello.client); !done) {
            c_.sessions.note(Severity::error, s,
                             fmt::format("cannot record that the client leaves: {}", done.error().what));
            c_.sessions.close(s, "the client's leaving cannot be recorded");
            co_return;
        }
    }
    if (s.alive()) {
        c_.sessions.note(Severity::info, s, "closed by its client");
        c_.sessions.send_message(s, wire::Bare{wire::Type::bye_ack, 0});
        c_.sessions.close(s, "closed by its client");
    }
}

} // namespace ddsnap
