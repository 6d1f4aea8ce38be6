// SPDX-License-Identifier: GPL-2.0
// What the volume service is given by those around it, how it is set, and what it counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ddsnapd/service/service_log.h"
#include "snapstore/store.h"

namespace ddsnap {

// The way back to one client. The shell's is a bounded ring in front of a socket.
class Transport {
public:
    virtual ~Transport() = default;
    // Queues the bytes for sending; false if the client reads too slowly for what it asks: the service then
    // closes the session. Never calls back into the service.
    virtual bool send(std::span<const std::byte> bytes) noexcept = 0;
    // The service has ended the session and never touches this object again. What send() took before is
    // still delivered if the client reads it. Never calls back into the service.
    virtual void close(std::string_view reason) noexcept = 0;
};

// What the shell knows of the process at the other end of a socket.
struct Peer {
    snapstore::Uuid boot{}; // this host's boot id
    std::uint32_t pid = 0;
    std::uint64_t start_time = 0; // of that process, clock ticks since boot (/proc/PID/stat)
};

// Can a recorded client that is out of reach still write? Implemented by the shell with /proc and /sys.
class ClientProbe {
public:
    virtual ~ClientProbe() = default;
    // True only with proof: the host has booted since, its mapped device or its process is no longer there.
    virtual bool proven_gone(const snapstore::Attachment& attachment) noexcept = 0;
};

struct ServiceConfig {
    std::uint32_t origin_credits = 512;  // WRITEs unanswered at once
    std::uint32_t snapshot_credits = 64; // per session: requests unanswered or locked at once
    std::uint32_t max_range = 1024;      // chunks in one request
    std::uint32_t max_extents = 32;      // in one answer; bounds what a client that does not read costs
    std::uint32_t snapshot_operations =
        384; // of all sessions in the engine at once; leaves room for the origin
    // How long an answer to INVALID may take: origin writes may be waiting for the space.
    std::uint64_t invalid_patience_ns = 5'000'000'000;
    // How long origin writes wait for the space of a squashed snapshot whose writer is away and not proven
    // gone; after that another snapshot is squashed for them.
    std::uint64_t release_patience_ns = 30'000'000'000;
    // How long a snapshot's writer may take to connect again when its chunks are to be moved.
    std::uint64_t hold_patience_ns = 10'000'000'000;
    std::uint64_t probe_interval_ns = 1'000'000'000; // how often a client out of reach is looked for
};

struct ServiceCounters {
    std::uint64_t messages_in = 0;
    std::uint64_t messages_out = 0;
    std::uint64_t grants = 0;       // GRANT messages with status ok
    std::uint64_t stale_writes = 0; // WRITEs dropped because their epoch was over
    std::uint64_t lock_waits = 0;   // WRITEs that had to wait for a snapshot reader
    std::uint64_t sessions = 0;     // opened
    std::uint64_t refused = 0;
    std::uint64_t protocol_errors = 0; // sessions closed for what their client sent
    std::uint64_t slow_clients = 0;    // sessions closed because the client did not read
    std::uint64_t barriers = 0;        // creates that got as far as the commit
    std::uint64_t barrier_failures = 0;
};

} // namespace ddsnap
