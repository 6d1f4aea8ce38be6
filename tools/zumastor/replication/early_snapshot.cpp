// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/early_snapshot.h"

#include "tools/common/failure.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/volume/held_snapshots.h"
#include "tools/zumastor/volume/snapshots.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

// The one replica that is known as this volume of this host, with nothing under way.
std::optional<TargetState> idle_replica(const Volume& volume, const HostName& host, const std::string& remote)
{
    std::optional<TargetState> found;
    for (TargetState& state : load_target_states(volume.paths().state)) {
        if (state.host != host || state.volume != remote) {
            continue;
        }
        if (found || state.base.empty() || !state.in_flight.empty()) {
            return std::nullopt;
        }
        found = std::move(state);
    }
    return found;
}

} // namespace

EarlySnapshot::EarlySnapshot(Volume& volume, const HostName& host, const std::string& remote, bool new_one)
    : volume_(volume)
{
    if (volume.config().source || !new_one) {
        return;
    }
    const VolumeLock lock(volume.config().name);
    auto state = idle_replica(volume, host, remote);
    if (!state) {
        return;
    }
    Daemon daemon = volume.daemon();
    SnapshotEntry taken = take_consistent(volume, daemon, {SnapshotTag::need(kReplicateKind)});
    state->in_flight = taken.uuid;
    save_target_state(volume.paths().state, *state);
    replica_ = state->replica;
    snapshot_ = std::move(taken);
}

EarlySnapshot::~EarlySnapshot()
{
    if (!snapshot_) {
        return;
    }
    try {
        give_back();
    } catch (const std::exception& error) {
        note(volume_.what() + ": snapshot " + std::to_string(snapshot_->id) +
             ", which was not sent, is deleted by the next cycle: " + error.what());
    }
}

std::optional<SnapshotEntry> EarlySnapshot::meant_for(const std::string& replica) const
{
    return replica == replica_ ? snapshot_ : std::nullopt;
}

void EarlySnapshot::give_back()
{
    const VolumeLock lock(volume_.config().name);
    const std::string& directory = volume_.paths().state;
    if (TargetState state = load_target_state(directory, replica_); state.in_flight == snapshot_->uuid) {
        state.in_flight.clear();
        save_target_state(directory, state);
    }
    if (snapshots_in_use(directory).count(snapshot_->uuid) > 0) {
        return; // a bookmark goes up to it by now
    }
    Daemon daemon = volume_.daemon();
    sync_holds(volume_, daemon);
    drop_snapshot(volume_, daemon, snapshot_->id);
}

} // namespace zumastor
