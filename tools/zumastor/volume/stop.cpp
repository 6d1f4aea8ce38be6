// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/stop.h"

#include "tools/common/failure.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {

namespace {

// Those that timers have begun: they have the volume's devices open. The next ones resume them.
void end_cycles(const VolumeConfig& config)
{
    for (const Target& target : config.targets) {
        end_cycle_unit(config.name, target.host);
    }
    if (config.source) {
        end_cycle_unit(config.name, {}); // the one that asks the source
    }
}

} // namespace

void revive_for_unmount(Volume& volume)
{
    if (origin_mount(volume) && !volume.try_daemon()) {
        note(volume.what() + ": its daemon does not run; the daemon is started, because unmounting needs "
                             "it");
        volume.start_devices();
    }
}

void stop_completely(Volume& volume)
{
    const VolumeConfig& config = volume.config();
    refuse_if_used(volume, Except::own_commands);
    rest_timers(config);
    try {
        end_cycles(config);
        take_out_of_use(volume).reset();
    } catch (const Failure&) {
        wake_timers(config);
        throw;
    }
    volume.stop_devices();
}

} // namespace zumastor
