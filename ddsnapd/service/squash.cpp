// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/squash.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace ddsnap {

using snapstore::SnapshotId;

Squash::Squash(Common& common, Attachments& attachments) : c_(common), attachments_(attachments)
{
    unreleased_.reserve(1024);
}

void Squash::invalidate(Session& s)
{
    s.invalid = Invalid::sent;
    s.invalid_since = c_.events.now;
    ++unacknowledged_;
    c_.sessions.send_message(s, wire::Bare{wire::Type::invalid, 0});
}

void Squash::on_invalid_ack(Session& s)
{
    if (s.invalid != Invalid::sent) {
        return c_.sessions.protocol_error(s, "INVALID_ACK without INVALID");
    }
    s.invalid = Invalid::acked;
    c_.events.release_dirty = true;
}

// A client that does not answer INVALID must not keep origin writes waiting for the snapshot's space: its
// session ends, and with it what it may believe. (For a writer that is not enough: it is recorded.)
void Squash::end_unresponsive()
{
    if (unacknowledged_ == 0) {
        return;
    }
    unacknowledged_ = 0;
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (!s.is(Session::State::open) || s.invalid != Invalid::sent) {
            continue;
        }
        if (c_.events.now - s.invalid_since >= c_.config.invalid_patience_ns) {
            c_.sessions.note(Severity::warning, s, "closed: it does not answer INVALID");
            c_.sessions.close(s, "INVALID was not acknowledged");
        } else {
            ++unacknowledged_;
        }
    }
}

void Squash::on_tick()
{
    if (!unreleased_.empty() && c_.events.now >= next_probe_) {
        next_probe_ = c_.events.now + c_.config.probe_interval_ns;
        c_.events.release_dirty = true;
    }
    end_unresponsive();
}

void Squash::squashed(SnapshotId id) noexcept
{
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (s.of_snapshot(id) && s.is(Session::State::open) && s.invalid == Invalid::none) {
            s.may_cache = false;
            invalidate(s);
        }
    }
    c_.events.state_dirty = true;
}

bool Squash::may_reuse(SnapshotId id) const noexcept
{
    for (const auto& s : c_.sessions) {
        if (s->of_snapshot(id) && s->is(Session::State::open) && s->knows_places &&
            s->invalid != Invalid::acked) {
            return false;
        }
    }
    for (const auto& a : c_.store.clients().attachments()) {
        if (a.origin || a.snapshot != id) {
            continue;
        }
        const bool acked = std::any_of(c_.sessions.begin(), c_.sessions.end(), [&](const auto& s) {
            return s->of_client(a.client) && s->invalid == Invalid::acked;
        });
        if (!acked && attachments_.may_act(a)) {
            return false;
        }
    }
    return true;
}

snapstore::Release Squash::released(SnapshotId id) noexcept
{
    if (may_reuse(id)) {
        return snapstore::Release::done;
    }
    const auto noted =
        std::find_if(unreleased_.begin(), unreleased_.end(), [&](const Unreleased& u) { return u.id == id; });
    if (noted == unreleased_.end()) {
        unreleased_.push_back({id, c_.events.now});
        return snapstore::Release::awaited;
    }
    if (c_.events.now - noted->since < c_.config.release_patience_ns) {
        return snapstore::Release::awaited;
    }
    if (!std::exchange(noted->told, true)) {
        c_.log.log(Severity::warning,
                   fmt::format("snapshot {} was squashed, and a client that may write into it is away: the "
                               "space of snapshot {} stays in use, and the next snapshot is squashed if room "
                               "is needed",
                               id.value, id.value));
    }
    return snapstore::Release::overdue;
}

void Squash::release()
{
    for (std::size_t i = 0; i < unreleased_.size();) {
        const SnapshotId id = unreleased_[i].id;
        if (may_reuse(id)) {
            unreleased_.erase(unreleased_.begin() + static_cast<std::ptrdiff_t>(i));
            c_.store.clients().space_released(id);
        } else {
            ++i;
        }
    }
}

} // namespace ddsnap
