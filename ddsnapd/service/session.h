// SPDX-License-Identifier: GPL-2.0
// One connection of a client, from its HELLO to its end. Data only: what happens is in the files of the
// volume service (core.h).
//
//   greeting ── HELLO ──► opening ── WELCOME ──► open ── BYE ──► leaving ── BYE_ACK ──► dead
//       └──────────────────── error, REFUSED, disconnection ─────────────────────────────┘
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ddsnapd/protocol/wire.h"
#include "ddsnapd/service/read_locks.h"
#include "ddsnapd/service/service_types.h"

namespace ddsnap {

// A request of a snapshot client: in the engine, or answered with chunks locked on the origin.
struct RequestSlot {
    bool used = false;
    bool answered = false; // waits for UNLOCK only
    bool write = false;
    std::uint64_t id = 0;
    ReadLock lock;
};

// How far HOLD and HELD, INVALID and INVALID_ACK have come.
enum class Hold : std::uint8_t { none, asked, held };
enum class Invalid : std::uint8_t { none, sent, acked };

class Session {
public:
    enum class State : std::uint8_t { greeting, opening, open, leaving, dead };

    Session(std::uint64_t session_number, Transport& its_transport, const Peer& its_peer)
        : number(session_number), transport(&its_transport), peer(its_peer)
    {}

    bool is(State s) const noexcept { return state == s; }
    bool alive() const noexcept { return state != State::dead; }
    // May it change the origin, or the snapshot?
    bool writer() const noexcept { return state > State::greeting && !hello.read_only; }
    bool origin_writer() const noexcept { return writer() && hello.role == wire::Role::origin; }
    bool of_snapshot(snapstore::SnapshotId id) const noexcept
    {
        return alive() && state > State::greeting && hello.role == wire::Role::snapshot &&
               hello.snapshot == id;
    }
    bool of_client(const snapstore::Uuid& client) const noexcept
    {
        return alive() && state > State::greeting && hello.client == client;
    }

    const std::uint64_t number; // never the same twice in a daemon's life
    Transport* transport;       // null when dead
    const Peer peer;
    State state = State::greeting;
    wire::Hello hello; // what it said, from `opening` on
    wire::MessageReader reader;

    std::uint32_t operations = 0;  // coroutines that refer to this object
    std::uint32_t outstanding = 0; // credits in use, origin

    Hold hold = Hold::none;
    // A HOLD was taken back before HELD came. A HELD that is still on its way must not be taken for the
    // answer to the next HOLD.
    bool stray_held = false;
    bool told_no_snapshots = false;

    bool may_cache = false;
    Invalid invalid = Invalid::none;
    std::uint64_t invalid_since = 0; // when INVALID was sent
    bool knows_places = false;       // was welcomed before the squash: may use extents until it acknowledges
    std::unique_ptr<RequestSlot[]> slots; // of a snapshot client: config.snapshot_credits
};

} // namespace ddsnap
