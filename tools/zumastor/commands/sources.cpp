// SPDX-License-Identifier: GPL-2.0
// zumastor start, stop and forget source.
#include <cstdio>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/held_snapshots.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/locked_volume.h"

namespace zumastor {
namespace {

// The configuration has been changed, as no cycle was to begin any more; a refusal changes it back.
void take_out_or_keep(Volume& volume, const VolumeConfig& now, const VolumeConfig& before)
{
    try {
        take_out_of_use(volume).reset();
    } catch (const Failure&) {
        Troubles troubles;
        save_and_follow(now, before, troubles);
        for (const std::string& trouble : troubles) {
            note(trouble);
        }
        throw;
    }
}

Volume& need_source(Volume& volume)
{
    if (!volume.config().source) {
        throw Failure(Exit::not_found, volume.what() + " has no source",
                      "define it: zumastor define source " + volume.config().name + " HOST");
    }
    return volume;
}

Exit forget_source(const OneVolume& given)
{
    LockedVolume locked = lock_volume(given.volume);
    const std::string& directory = locked.volume.paths().state;
    if (!locked.volume.config().source && !given.dry_run && forget_former_source(directory)) {
        if (auto daemon = locked.volume.try_daemon()) {
            sync_holds(locked.volume, *daemon);
        }
        std::printf("volume %s has forgotten its former source: no snapshot is held for reverse "
                    "any more\n",
                    locked.volume.config().name.c_str());
        return Exit::ok;
    }
    Volume& volume = need_source(locked.volume);
    Troubles troubles;
    if (!given.dry_run) {
        refuse_if_used(volume, Except::own_commands);
        const VolumeConfig before = volume.config();
        VolumeConfig after = before;
        after.source.reset();
        save_and_follow(before, after, troubles);
        end_cycle(volume, {});
        take_out_or_keep(volume, after, before);
        forget_cycle(volume.paths().state, {});
    }
    std::printf("volume %s %s a replica; its snapshots stay\n", volume.config().name.c_str(),
                given.dry_run ? "would no longer be" : "is no longer");
    return conclude(troubles);
}

Exit start_source(const OneVolume& given)
{
    Volume volume(load_config(given.volume));
    need_source(volume);
    if (given.dry_run) {
        std::printf("would start volume %s and mount its newest snapshot\n", volume.config().name.c_str());
        return Exit::ok;
    }
    {
        LockedVolume locked = lock_volume(given.volume);
        need_source(locked.volume).start_devices();
    }
    Troubles troubles;
    show_received(volume, troubles);
    LockedVolume locked = lock_volume(given.volume);
    VolumeConfig& config = need_source(locked.volume).config();
    const VolumeConfig before = config;
    config.source->stopped = false;
    save_and_follow(before, config, troubles);
    wake_timers(config);
    mark_started(config.name);
    return conclude(troubles);
}

Exit stop_source(const OneVolume& given)
{
    Troubles troubles;
    bool was_stopped = false;
    {
        LockedVolume locked = lock_volume(given.volume);
        VolumeConfig& config = need_source(locked.volume).config();
        refuse_if_used(locked.volume, Except::own_commands);
        if (given.dry_run) {
            std::printf("would unmount volume %s and its snapshots\n", config.name.c_str());
            return Exit::ok;
        }
        const VolumeConfig before = config;
        was_stopped = config.source->stopped;
        config.source->stopped = true;
        save_and_follow(before, config, troubles);
    }
    end_cycle(Volume(load_config(given.volume)), {}); // it may wait for the lock
    LockedVolume locked = lock_volume(given.volume);
    VolumeConfig before = locked.volume.config();
    need_source(locked.volume);
    before.source->stopped = was_stopped;
    take_out_or_keep(locked.volume, locked.volume.config(), before);
    return conclude(troubles);
}

} // namespace

constexpr CommandSpec kStartSource = command<start_source>(
    "start source", arguments<&OneVolume::volume>("VOL"),
    "Start a replica, mount its newest snapshot and restart its timer.", kOneVolume,
    Page{"Starts the replica if it is not started, mounts its newest complete snapshot, "
         "and lets its timer begin cycles again.",
         "$ zumastor start source data"});
constexpr CommandSpec kStopSource = command<stop_source>(
    "stop source", arguments<&OneVolume::volume>("VOL"), "Unmount a replica and stop its timer.", kOneVolume,
    Page{"Ends a running cycle and unmounts the replica. Its timer begins no cycle "
         "until start source.",
         "$ zumastor stop source data"});
constexpr CommandSpec kForgetSource =
    command<forget_source>("forget source", arguments<&OneVolume::volume>("VOL"),
                           "End the volume's role as a replica; its snapshots stay.", kOneVolume,
                           Page{"The volume keeps its content and its snapshots. On a promoted master, the "
                                "snapshot that was held for reverse is released.",
                                "$ zumastor forget source data"});

} // namespace zumastor
