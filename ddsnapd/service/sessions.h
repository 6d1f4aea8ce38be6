// SPDX-License-Identifier: GPL-2.0
// All sessions: how one is sent something, how it ends, and until when its object stays.
//
// Invariants:
//   A session that has ended is sent nothing; its object stays until reap(), and as long as an operation
//   refers to it.
//   A session's read locks end with it, but for those of a SNAP_WRITE that the engine is copying: its copy of
//   the origin's content must not mix with a later write (SessionTest.LocksEndWithTheSession).
//
// May call: ReadLocks, and raise Events. Whoever goes through all sessions and closes some counts from 0 to
// size(): a session may come meanwhile, and none goes.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "ddsnapd/service/events.h"
#include "ddsnapd/service/session.h"

namespace ddsnap {

class Sessions {
public:
    Sessions(const ServiceConfig& config, ServiceLog& log, ServiceCounters& counters, ReadLocks& locks,
             Events& events);
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    Session& add(Transport& transport, const Peer& peer);
    void reap();

    auto begin() const noexcept { return list_.begin(); }
    auto end() const noexcept { return list_.end(); }
    std::size_t size() const noexcept { return list_.size(); }
    Session& operator[](std::size_t i) const noexcept { return *list_[i]; }
    bool connected(const snapstore::Uuid& client) const noexcept;

    void send(Session& s, wire::Bytes bytes);
    template <class Message>
    void send_message(Session& s, const Message& message)
    {
        send(s, wire::encode(message));
    }
    void close(Session& s, std::string_view reason); // by the daemon
    void retire(Session& s);                         // by the client, or the end of close()
    void protocol_error(Session& s, std::string_view why);
    void note(Severity severity, const Session& s, std::string_view text);

private:
    const ServiceConfig& config_;
    ServiceLog& log_;
    ServiceCounters& counters_;
    ReadLocks& locks_;
    Events& events_;
    std::vector<std::unique_ptr<Session>> list_;
    std::uint64_t last_ = 0; // number
};

// An operation under way: keeps its session's object and delays VolumeService::close().
class Operation {
public:
    explicit Operation(Events& events, Session* session = nullptr) noexcept;
    ~Operation();
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

private:
    Events& events_;
    Session* session_;
};

} // namespace ddsnap
