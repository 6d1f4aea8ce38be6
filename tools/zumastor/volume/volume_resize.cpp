// SPDX-License-Identifier: GPL-2.0
// The lengths of a volume's mapped device and its daemon, changed together.
//
//   grow:    daemon → table          shrink:  table → daemon, which copies out what snapshots need of the end
//
// In between the device is shorter than the daemon allows: everything works, and `start volume` or the same
// command again puts it right.
#include "tools/common/failure.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

void Volume::set_device_length(Daemon& daemon, std::uint64_t sectors) const
{
    if (mapper::length(paths_.origin_name) != sectors) {
        mapper::resize({paths_.origin_name, "", sectors, table_of(attach_devices(), "-1"), false});
    }
    wait_until_connected(daemon, sectors);
}

void Volume::resize_origin(Daemon& daemon, std::uint64_t sectors) const
{
    const std::uint64_t before = daemon.status().origin_sectors;
    if (sectors >= before) {
        daemon.resize(sectors, std::nullopt);
        set_device_length(daemon, sectors);
        return;
    }
    set_device_length(daemon, sectors);
    try {
        daemon.resize(sectors, std::nullopt);
    } catch (const Failure&) {
        if (daemon.status().origin_sectors == before) {
            set_device_length(daemon, before);
        }
        throw;
    }
}

} // namespace zumastor
