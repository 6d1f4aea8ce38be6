// SPDX-License-Identifier: GPL-2.0
// zumastor define schedule: how many snapshots of each kind are kept.
#include <cstdio>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/locked_volume.h"

namespace zumastor {
namespace {

struct DefineSchedule : KindOptions, DryRun {
    std::string volume;
};

Exit define_schedule(const DefineSchedule& given)
{
    LockedVolume locked = lock_volume(given.volume);
    VolumeConfig& config = locked.volume.config();
    const std::string& name = config.name;
    const VolumeConfig was = config;
    const std::vector<Kind>& before = was.schedule;
    read_schedule(given, config.schedule);
    if (!given.dry_run && config.schedule != before) {
        save_config(config);
    }
    std::printf("volume %s keeps:%s\n", name.c_str(), config.schedule.empty() ? " no rotated snapshots" : "");
    for (const Kind& kind : config.schedule) {
        std::printf("  %s %llu\n", kind.name.c_str(), static_cast<unsigned long long>(kind.keep));
    }
    for (const Kind& kind : before) {
        if (find_kind(config.schedule, kind.name) == nullptr) {
            note("existing " + kind.name + " snapshots stay: this kind is not rotated any more");
        }
    }
    if (!given.dry_run) {
        follow_config(was, config);
    }
    return Exit::ok;
}

constexpr auto kDefineScheduleOptions = option_table<DefineSchedule>(kKindOptions, kDryRunOption);

} // namespace

constexpr CommandSpec kDefineSchedule = command<define_schedule>(
    "define schedule", arguments<&DefineSchedule::volume>("VOL"),
    "Set how many snapshots of each kind are kept.", kDefineScheduleOptions,
    Page{"Kinds that are not given stay as they are. A timer takes hourly, daily, "
         "weekly and monthly snapshots. The command snapshot takes those of a kind of "
         "your own. When there are more snapshots of a kind than its number, the "
         "oldest is deleted. Snapshots of a kind that is set to 0 stay.",
         "$ zumastor define schedule data --hourly 24 --daily 7 --weekly 4\n"
         "$ zumastor define schedule data --custom before-upgrade,3"});

} // namespace zumastor
