// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/follow_size.h"

#include "tools/common/block_device.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/lock.h"

namespace zumastor {

void refuse_small_device(const Volume& volume, std::uint64_t sectors)
{
    const std::uint64_t wanted = sectors * kSectorBytes;
    const DeviceNode device = need_block_device(volume.attach_devices().origin.path, "origin");
    if (device.bytes < wanted) {
        throw Failure(Exit::failed,
                      volume.what() + ": the stream's snapshot has " + std::to_string(wanted) +
                          " bytes, but " + volume.config().origin + " has only " +
                          std::to_string(device.bytes),
                      "make the device larger: lvextend -L " + std::to_string(wanted) + "b " +
                          volume.config().origin + "; the volume then grows by itself");
    }
}

void grow_to(const Volume& volume, Daemon& daemon, std::uint64_t sectors)
{
    const std::uint64_t now = daemon.status().origin_sectors;
    if (now < sectors) {
        refuse_small_device(volume, sectors);
        const VolumeLock lock(volume.config().name);
        volume.resize_origin(daemon, sectors);
        note(volume.what() + " grows from " + format_size(now * kSectorBytes) + " to " +
             format_size(sectors * kSectorBytes) + ", as its source did");
    }
}

void shrink_to(const Volume& volume, Daemon& daemon, std::uint64_t sectors)
{
    const std::uint64_t now = daemon.status().origin_sectors;
    if (now <= sectors) {
        return;
    }
    try {
        const VolumeLock lock(volume.config().name);
        volume.resize_origin(daemon, sectors);
        note(volume.what() + " shrinks from " + format_size(now * kSectorBytes) + " to " +
             format_size(sectors * kSectorBytes) + ", the size of its source");
    } catch (const Failure& failure) {
        if (failure.code() != Exit::store_full) {
            throw;
        }
        note(volume.what() + " keeps its size: " + failure.what());
    }
}

} // namespace zumastor
