// SPDX-License-Identifier: GPL-2.0
// zumastor start, stop and forget target.
#include <algorithm>
#include <cstdio>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/locked_volume.h"

namespace zumastor {
namespace {

Target& need_target(VolumeConfig& config, const OneTarget& given)
{
    const HostName host = HostName::need(given.host, "HOST");
    for (Target& target : config.targets) {
        if (target.host == host) {
            return target;
        }
    }
    throw Failure(Exit::not_found, "volume " + config.name + " has no target " + host,
                  "see: zumastor status " + config.name + " --full");
}

Exit forget_target(const OneTarget& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    VolumeConfig& config = volume.config();
    const Target target = need_target(config, given);
    if (given.dry_run) {
        std::printf("would forget target %s of volume %s\n", target.host.c_str(), config.name.c_str());
        return Exit::ok;
    }
    // What cannot be asked ends it before anything is changed.
    (void)load_target_states(volume.paths().state);
    (void)volume.try_daemon();
    const VolumeConfig before = config;
    std::erase_if(config.targets, [&](const Target& other) { return other.host == target.host; });
    Troubles troubles;
    save_and_follow(before, config, troubles);
    end_cycle(volume, target.host);
    for (const TargetState& state : load_target_states(volume.paths().state)) {
        if (state.host == target.host) {
            forget_target_state(volume.paths().state, state.replica);
        }
    }
    forget_cycle(volume.paths().state, target.host);
    if (auto daemon = volume.try_daemon()) {
        drop_replication_snapshots(volume, *daemon, troubles);
    }
    return conclude(troubles);
}

Exit set_stopped(const OneTarget& given, bool stopped)
{
    LockedVolume locked = lock_volume(given.volume);
    VolumeConfig& config = locked.volume.config();
    const VolumeConfig before = config;
    Target& target = need_target(config, given);
    if (given.dry_run) {
        std::printf("would %s the cycles of volume %s to %s\n", stopped ? "stop" : "start",
                    config.name.c_str(), target.host.c_str());
        return Exit::ok;
    }
    target.stopped = stopped;
    Troubles troubles;
    save_and_follow(before, config, troubles);
    if (target.period == 0) {
        note(locked.volume.what() + " has no period for " + target.host +
             "; set one: zumastor define target " + config.name + " " + target.host + " --period SEC");
    }
    return conclude(troubles);
}

Exit start_target(const OneTarget& given) { return set_stopped(given, false); }

Exit stop_target(const OneTarget& given)
{
    const Exit stored = set_stopped(given, true);
    if (!given.dry_run) {
        end_cycle(Volume(load_config(given.volume)),
                  HostName::need(given.host, "HOST")); // it may wait for the lock
    }
    return stored;
}

} // namespace

constexpr CommandSpec kStartTarget =
    command<start_target>("start target", arguments<&OneTarget::volume, &OneTarget::host>("VOL HOST"),
                          "Restart the timer of the cycles to HOST.", kOneTarget,
                          Page{"Undoes stop target: the timer begins cycles to this host again.",
                               "$ zumastor start target data replica"});
constexpr CommandSpec kStopTarget =
    command<stop_target>("stop target", arguments<&OneTarget::volume, &OneTarget::host>("VOL HOST"),
                         "Stop the timer of the cycles to HOST.", kOneTarget,
                         Page{"Ends a running cycle to this host. The timer begins no cycle until start "
                              "target.",
                              "$ zumastor stop target data replica"});
constexpr CommandSpec kForgetTarget =
    command<forget_target>("forget target", arguments<&OneTarget::volume, &OneTarget::host>("VOL HOST"),
                           "Stop replicating to HOST.", kOneTarget,
                           Page{"Also removes what is remembered of the replica, and the snapshots that only "
                                "the replica needed. The replica itself does not change.",
                                "$ zumastor forget target data replica"});

} // namespace zumastor
