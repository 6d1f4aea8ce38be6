// SPDX-License-Identifier: GPL-2.0
// Bugs that the simulation plants to prove that it would find them. In every other build planted() is
// constant false and the code is gone; only the target volume_service_with_bugs defines
// SNAPSTORE_PLANTED_BUGS.
#pragma once

#include <cstdint>

namespace ddsnap {

enum class ServiceBug : std::uint8_t {
    none,
    grant_before_commit,          // GRANT goes out before the copy is durable
    barrier_does_not_drain,       // the snapshot is committed without waiting for HELD
    create_while_client_detached, // ... although a client that holds grants is out of reach
    grant_ignores_read_locks,     // GRANT for a chunk that a snapshot reader is reading from the origin
    grant_of_old_epoch_sent,      // WRITEs of an old epoch are answered as if they were of the present one
};

#ifdef SNAPSTORE_PLANTED_BUGS
inline ServiceBug planted_service_bug = ServiceBug::none; // the simulation's choice for a run
inline bool planted(ServiceBug bug) noexcept { return planted_service_bug == bug; }
#else
constexpr bool planted(ServiceBug) noexcept { return false; }
#endif

} // namespace ddsnap
