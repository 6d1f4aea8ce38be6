// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/barrier.h"

#include <fmt/format.h>

#include "ddsnapd/service/planted_bugs.h"

namespace ddsnap {

using Code = ServiceError::Code;
using snapstore::Epoch;

void Barrier::hold(Session& s)
{
    if (s.stray_held) {
        c_.sessions.note(Severity::warning, s, "closed: it has not answered an earlier HOLD");
        c_.sessions.close(s, "an earlier HOLD was not answered");
        return;
    }
    s.hold = Hold::asked;
    c_.sessions.send_message(s, wire::EpochMessage{wire::Type::hold, 0, c_.store.epoch(), 0});
}

void Barrier::on_held(Session& s, wire::Bytes message)
{
    const auto held = wire::EpochMessage::decode(message);
    if (!held) {
        return c_.sessions.protocol_error(s, held.error());
    }
    if (s.stray_held) { // too late: RESUME has been sent
        s.stray_held = false;
        return;
    }
    if (s.hold != Hold::asked || held->epoch != c_.store.epoch()) {
        return c_.sessions.protocol_error(s, "HELD without HOLD");
    }
    s.hold = Hold::held;
    c_.events.barrier_moved.raise();
}

Barrier::Verdict Barrier::verdict(std::string& why) const
{
    Verdict result = Verdict::ready;
    const auto waits_for = [&](std::string_view name) {
        why = fmt::format("origin client {} did not stop writing in time", name);
        result = Verdict::waits;
    };
    if (origin_writes_.copying() && !planted(ServiceBug::grant_of_old_epoch_sent)) {
        why = "the copying of chunks did not end in time";
        result = Verdict::waits;
    }
    for (const auto& s : c_.sessions) {
        if (s->is(Session::State::open) && s->origin_writer() && s->hold != Hold::held &&
            !planted(ServiceBug::barrier_does_not_drain)) {
            waits_for(s->hello.name_view());
        }
    }
    for (const auto& a : c_.store.clients().attachments()) {
        if (a.origin && !c_.sessions.connected(a.client) &&
            !planted(ServiceBug::create_while_client_detached)) {
            why = fmt::format("origin client {} is out of reach and may still write", a.name);
            return Verdict::out_of_reach;
        }
        for (const auto& s : c_.sessions) {
            if (a.origin && s->of_client(a.client) && !s->is(Session::State::open)) {
                waits_for(a.name); // coming or going
            }
        }
    }
    return result;
}

// Collects HELD. When it succeeds, the phase is committing.
snapstore::Task<ServiceResult<void>> Barrier::hold_origin(std::uint64_t deadline_ns)
{
    phase_ = Phase::collecting;
    deadline_ = deadline_ns;
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        if (c_.sessions[i].is(Session::State::open) && c_.sessions[i].origin_writer()) {
            hold(c_.sessions[i]);
        }
    }
    std::uint64_t probe_again = c_.events.now;
    for (;;) {
        if (c_.events.now >= probe_again) {
            co_await attachments_.forget_gone();
            probe_again = c_.events.now + c_.config.probe_interval_ns;
        }
        std::string why;
        const Verdict v = verdict(why);
        if (c_.events.stopping) {
            co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
        }
        if (v == Verdict::ready) {
            phase_ = Phase::committing;
            co_return ServiceResult<void>{};
        }
        if (c_.events.now >= deadline_ns) {
            const Code code = v == Verdict::out_of_reach ? Code::detached : Code::timeout;
            co_return tl::unexpected(ServiceError{code, std::move(why)});
        }
        co_await c_.events.barrier_moved.wait();
    }
}

// The commit failed with the store: nobody knows which epoch is on disk.
void Barrier::abandon_origin()
{
    epoch_unknown_ = true;
    c_.log.log(Severity::error,
               "the store failed while a snapshot was being recorded: origin writes wait until ddsnapd is "
               "restarted");
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (s.alive() && s.origin_writer()) {
            c_.sessions.close(s, "the store failed while a snapshot was being recorded");
        }
    }
}

void Barrier::resume_origin(Epoch before)
{
    const Epoch epoch = c_.store.epoch();
    const std::uint32_t flags = needs_no_grants() ? DDSNAP_FLAG_NO_SNAPSHOTS : 0;
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (!s.is(Session::State::open) || !s.origin_writer()) {
            continue;
        }
        s.stray_held = s.hold == Hold::asked;
        s.hold = Hold::none;
        s.told_no_snapshots = flags != 0;
        if (epoch != before) {
            s.outstanding = 0; // the client forgets its unanswered WRITEs
        }
        c_.sessions.send_message(s, wire::EpochMessage{wire::Type::resume, 0, epoch, flags});
    }
    c_.events.unlocked.raise(); // WRITEs of the old epoch that wait for readers end
}

snapstore::Task<ServiceResult<snapstore::SnapshotInfo>> Barrier::create(snapstore::CreateOptions options,
                                                                        std::uint64_t deadline_ns)
{
    const Operation operation(c_.events);
    while (creating_ && !c_.events.stopping) {
        co_await c_.events.room.wait();
    }
    if (c_.events.stopping) {
        co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
    }
    if (resizing_) {
        co_return tl::unexpected(ServiceError{Code::busy, "the volume is being resized"});
    }
    creating_ = true;
    const Epoch before = c_.store.epoch();
    bool uncertain = false;
    ServiceResult<snapstore::SnapshotInfo> result = tl::unexpected(ServiceError{});
    if (auto all_held = co_await hold_origin(deadline_ns); !all_held) {
        ++c_.counters.barrier_failures;
        result = tl::unexpected(std::move(all_held).error());
    } else {
        ++c_.counters.barriers;
        const bool failed_before = c_.store.info().failed;
        auto created = co_await c_.store.snapshots().create(options);
        if (created) {
            result = std::move(*created);
        } else {
            result = tl::unexpected(to_service_error(created.error()));
            uncertain = c_.store.info().failed && !failed_before;
        }
        if (uncertain) {
            const auto given_up = co_await c_.store.origin().give_up();
            uncertain = !given_up;
        }
    }
    phase_ = Phase::idle;
    creating_ = false;
    if (uncertain) {
        abandon_origin();
    } else {
        resume_origin(before);
    }
    c_.events.barrier_moved.raise();
    c_.events.room.raise();
    co_return result;
}

// Readers of the last snapshot, which was squashed under them, may still be reading the origin: what they
// would get then, before they hear that it is invalid, is what was written since
// (SmallStoreTest.NobodyWritesUnderTheLastReader).
bool Barrier::needs_no_grants() const noexcept
{
    return c_.store.origin().no_snapshots() && c_.locks.size() == 0;
}

std::optional<ServiceError> Barrier::begin_resize()
{
    if (creating_ || resizing_) {
        return ServiceError{Code::busy,
                            resizing_ ? "the volume is being resized" : "a snapshot is being taken"};
    }
    resizing_ = true;
    return std::nullopt;
}

std::optional<std::uint64_t> Barrier::deadline() const noexcept
{
    return phase_ == Phase::collecting ? std::optional(deadline_) : std::nullopt;
}

void Barrier::on_tick()
{
    if (phase_ == Phase::collecting) {
        c_.events.barrier_moved.raise();
    }
}

void Barrier::welcomed(Session& s)
{
    if (s.origin_writer() && s.alive() && phase_ == Phase::collecting) {
        hold(s);
    }
}

// STATE: the last snapshot is gone, and durably so; origin writes need no grant any more.
void Barrier::announce_state()
{
    if (!needs_no_grants() || phase_ == Phase::committing) {
        return; // RESUME will carry the flag
    }
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (s.is(Session::State::open) && s.origin_writer() && !s.told_no_snapshots) {
            s.told_no_snapshots = true;
            c_.sessions.send_message(
                s, wire::EpochMessage{wire::Type::state, 0, c_.store.epoch(), DDSNAP_FLAG_NO_SNAPSHOTS});
        }
    }
}

} // namespace ddsnap
