// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/sessions.h"

#include <algorithm>

#include <fmt/format.h>

namespace ddsnap {

Sessions::Sessions(const ServiceConfig& config, ServiceLog& log, ServiceCounters& counters, ReadLocks& locks,
                   Events& events)
    : config_(config), log_(log), counters_(counters), locks_(locks), events_(events)
{
    list_.reserve(1024);
}

Session& Sessions::add(Transport& transport, const Peer& peer)
{
    list_.push_back(std::make_unique<Session>(++last_, transport, peer));
    return *list_.back();
}

void Sessions::reap()
{
    std::erase_if(list_, [](const auto& s) { return !s->alive() && s->operations == 0; });
}

bool Sessions::connected(const snapstore::Uuid& client) const noexcept
{
    return std::any_of(begin(), end(), [&](const auto& s) { return s->of_client(client); });
}

void Sessions::note(Severity severity, const Session& s, std::string_view text)
{
    const std::string_view name = s.hello.name_view();
    if (s.is(Session::State::greeting)) {
        log_.log(severity, fmt::format("session {}: {}", s.number, text));
    } else if (s.hello.role == wire::Role::origin) {
        log_.log(severity, fmt::format("session {} (origin, {}): {}", s.number, name, text));
    } else {
        log_.log(severity, fmt::format("session {} (snapshot {}, {}): {}", s.number, s.hello.snapshot.value,
                                       name, text));
    }
}

void Sessions::send(Session& s, wire::Bytes bytes)
{
    if (s.transport == nullptr) {
        return;
    }
    ++counters_.messages_out;
    if (!s.transport->send(bytes)) {
        ++counters_.slow_clients;
        note(Severity::warning, s, "closed: the client does not read what it is sent");
        close(s, "the client does not read what it is sent");
    }
}

void Sessions::close(Session& s, std::string_view reason)
{
    if (!s.alive()) {
        return;
    }
    Transport* transport = s.transport;
    retire(s);
    transport->close(reason);
}

void Sessions::retire(Session& s)
{
    s.transport = nullptr;
    s.state = Session::State::dead;
    for (std::uint32_t i = 0; s.slots && i < config_.snapshot_credits; ++i) {
        if (s.slots[i].used && !s.slots[i].write) {
            locks_.unlock(s.slots[i].lock);
        }
    }
    events_.unlocked.raise();
    events_.barrier_moved.raise();
    events_.release_dirty = true;
}

void Sessions::protocol_error(Session& s, std::string_view why)
{
    ++counters_.protocol_errors;
    note(Severity::warning, s, fmt::format("closed: {}", why));
    close(s, why);
}

Operation::Operation(Events& events, Session* session) noexcept : events_(events), session_(session)
{
    ++events_.operations;
    if (session_ != nullptr) {
        ++session_->operations;
    }
}

Operation::~Operation()
{
    --events_.operations;
    if (session_ != nullptr) {
        --session_->operations;
    }
    events_.room.raise();
    events_.run_pending();
}

} // namespace ddsnap
