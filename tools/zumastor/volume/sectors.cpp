// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/sectors.h"

#include <algorithm>
#include <bit>

#include "tools/common/block_device.h"
#include "tools/common/known.h"
#include "tools/zumastor/host/loop.h"

namespace zumastor {
namespace {

// A file is put on a loop device with sectors of 512 bytes, unless somebody has put it on another one.
std::uint32_t sectors_of(const std::string& path, const std::string& role)
{
    const auto found = look_at(path).need();
    if (!found || !S_ISREG(found->st_mode)) {
        return need_block_device(path, role).sector;
    }
    const auto device = loop::find(path);
    return device ? need_block_device(*device, role).sector : kSectorBytes;
}

} // namespace

std::uint32_t sectors_needed(const Volume& volume)
{
    const std::string& device = volume.paths().origin_device;
    if (!mapper::find(volume.paths().origin_name)) {
        return sectors_of(volume.config().origin, "origin");
    }
    const std::uint32_t own = need_block_device(device, "origin").sector;
    try {
        const auto found = signature_of(device);
        return found && found->block_bytes >= kSectorBytes && std::has_single_bit(found->block_bytes)
                   ? found->block_bytes
                   : own;
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        return own; // several kinds of data: who reads them has read sectors
    }
}

std::uint32_t sectors_here(const VolumeConfig& config)
{
    return std::max(sectors_of(config.origin, "origin"), sectors_of(config.store, "snapshot store"));
}

void refuse_larger_sectors(std::uint64_t needed, std::uint64_t here, const std::string& upstream,
                           const std::string& replica)
{
    if (needed == 0 || here <= needed) {
        return;
    }
    const std::string most = std::to_string(here);
    throw Failure(
        Exit::mismatch,
        replica + " has sectors of " + most + " bytes, but what " + upstream +
            " holds needs sectors of at most " + std::to_string(needed) +
            " bytes: it could not be mounted there",
        "give the replica an origin and a store with sectors of 512 bytes (blockdev --getss DEVICE; of a "
        "loop device: losetup --sector-size 512), or make upstream's filesystem for " +
            most + " (mkfs.xfs -s size=" + most + ", mkfs.ext4 -b " + most + ")");
}

} // namespace zumastor
