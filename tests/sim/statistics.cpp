// SPDX-License-Identifier: GPL-2.0
#include <fmt/format.h>

#include "sim/world.h"

namespace sim {

void Statistics::add(const Statistics& other)
{
    events += other.events;
    daemon_crashes += other.daemon_crashes;
    power_cuts += other.power_cuts;
    client_crashes += other.client_crashes;
    recoveries_cut += other.recoveries_cut;
    snapshots += other.snapshots;
    removed += other.removed;
    squashed += other.squashed;
    grown += other.grown;
    shrunk += other.shrunk;
    stores_shrunk += other.stores_shrunk;
    zones_shrunk += other.zones_shrunk;
    moved += other.moved;
    checkpoints += other.checkpoints;
    copied += other.copied;
    compared += other.compared;
    deltas += other.deltas;
    reverted += other.reverted;
    reverts_resumed += other.reverts_resumed;
}

std::string Statistics::describe() const
{
    return fmt::format(
        "{} events; crashes: {} daemon, {} power, {} client, {} of these during recovery; snapshots: "
        "{} created, {} removed, {} squashed, {} compared, {} deltas; {} reverts, {} begun anew; {} grown, "
        "{} origins, {} stores and "
        "{} metadata devices shrunk; {} chunks copied, "
        "{} moved, {} checkpoints",
        events, daemon_crashes, power_cuts, client_crashes, recoveries_cut, snapshots, removed, squashed,
        compared, deltas, reverted, reverts_resumed, grown, shrunk, stores_shrunk, zones_shrunk, copied,
        moved, checkpoints);
}

} // namespace sim
