// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/stop.h"

#include "tools/common/failure.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {

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
    if (config.targets.empty()) {
        refuse_if_used(volume);
    }
    rest_timers(config);
    try {
        // A cycle that a timer has begun has the volume's device open. It is no user to be refused for: it is
        // resumed at the next one's time.
        for (const Target& target : config.targets) {
            end_cycle_unit(config.name, target.host);
        }
        take_out_of_use(volume).reset();
    } catch (const Failure&) {
        wake_timers(volume.config());
        throw;
    }
    volume.stop_devices();
}

} // namespace zumastor
