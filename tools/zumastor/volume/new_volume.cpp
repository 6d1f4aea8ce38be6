// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/new_volume.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tools/common/block_device.h"
#include "tools/common/process.h"
#include "tools/common/store_owner.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/device_claims.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
namespace {

constexpr const char* kOrder = "the order is: define volume VOL ORIGIN SNAPSTORE";

// The device that has the superblock.
const DeviceNode& superblock_device(const StorePaths& paths)
{
    return paths.meta ? *paths.meta : paths.store;
}

void refuse_devices_of_others(const NewVolume& wanted)
{
    for (const std::string& name : list_volumes()) {
        if (!try_load_config(name)) {
            note(std::string(kConfigDirectory) + "/" + name +
                 ".toml cannot be read: that volume may use the same devices");
        }
    }
    refuse_owned_store(wanted.paths);
    for (const Claim& claim : claims_of_others(wanted.config)) {
        throw Failure(Exit::busy, claim.what + " belongs to volume " + claim.volume,
                      "forget that volume first: zumastor forget volume " + claim.volume);
    }
}

// Not everybody who writes to a device opens it exclusively: programs, loop devices. Snapshots would not
// notice.
void refuse_written_device(const DeviceNode& device, const std::string& role)
{
    std::vector<FileUse> writers = files_in_use({device.number});
    std::erase_if(writers, [](const FileUse& use) { return !use.device || !use.writes; });
    std::vector<std::string> users = describe(writers);
    for (const auto& [number, use] : stacked_on({device.number})) {
        users.push_back(use);
    }
    if (!users.empty()) {
        throw Failure(Exit::busy, role + " " + device.given + ": in use: " + join(users, ", "),
                      "end that use first");
    }
}

// Swapped devices are the mistake that destroys data: look for its signs.
void check_order(const NewVolume& wanted)
{
    if (const auto store = probe_store(wanted.paths.origin)) {
        throw Failure(Exit::usage,
                      "origin " + wanted.paths.origin.given + " holds a snapshot store (volume " +
                          store->uuid + ")",
                      kOrder);
    }
}

void check_existing_store(const NewVolume& wanted)
{
    refuse_sector_conflict(wanted.paths);
    const DeviceNode& device = superblock_device(wanted.paths);
    const auto store = probe_store(device);
    if (!store) {
        const std::string content = precious_content(device);
        throw Failure(Exit::usage,
                      "snapshot store " + device.given + " holds " +
                          (content.empty() ? "no snapshot store" : content + ", not a snapshot store"),
                      content.empty() ? "make one with --initialize"
                                      : std::string(kOrder) + "; --initialize would destroy what is there");
    }
    const std::uint64_t origin = wanted.paths.origin.bytes / kSectorBytes * kSectorBytes;
    if (store->origin_bytes != origin) {
        throw Failure(Exit::mismatch,
                      "snapshot store " + device.given + " is for an origin of " +
                          format_size(store->origin_bytes) + ", but " + wanted.paths.origin.given + " has " +
                          format_size(origin),
                      "check whether this is the store of another origin");
    }
}

// What is remembered of a volume outlives it. If that had this origin, too, a new store would take from it
// the snapshots that can end its revert.
void refuse_earlier_revert(const std::string& name)
{
    const std::string state = Paths(VolumeName::need(name)).state;
    if (load_revert(state)) {
        throw Failure(Exit::failed,
                      "volume " + name +
                          ": an earlier volume with this name has an interrupted revert: its origin is "
                          "a mixture",
                      "to finish the revert, use its store (without --initialize); if this is "
                      "another origin, remove " +
                          state + "/revert.json");
    }
}

// What is remembered of an earlier volume with this name tells of snapshots that a new store does not have.
void forget_earlier_state(const std::string& directory)
{
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    if (error) {
        throw Failure(Exit::failed, "cannot remove " + directory + ": " + error.message());
    }
}

void zero_device(const DeviceNode& device)
{
    constexpr std::uint64_t kStep = 1ull << 30;
    const auto fd = open_exclusive(device, O_RDWR, "origin");
    for (std::uint64_t start = 0; start < device.bytes; start += kStep) {
        check_interrupt();
        std::array<std::uint64_t, 2> range{start, std::min(kStep, device.bytes - start)};
        if (::ioctl(fd.get(), BLKZEROOUT, range.data()) != 0) {
            throw errno_failure("origin " + device.given + ": cannot be zeroed");
        }
    }
}

// Undoing must not hide why it had to be done.
void undo(Volume& volume)
{
    const auto step = [](const auto& what) {
        try {
            what();
        } catch (const Failure& failure) {
            report(std::string("while undoing: ") + failure.what(), failure.next());
        }
    };
    step([&] { volume.stop_devices(); });
    step([&] { remove_config(volume.config().name); });
    std::error_code error;
    std::filesystem::remove_all(volume.paths().runtime, error);
}

} // namespace

void check_new_name(const VolumeConfig& config)
{
    const std::string& name = config.name;
    check_volume_name(name);
    if (!fits_units(name)) {
        throw Failure(Exit::usage,
                      "'" + name +
                          "' cannot be a volume's name: it has too many of the marks #+-=, which "
                          "take four characters each in the names of systemd's units",
                      "use letters, digits, '.', ':' and '_' instead of some");
    }
    if (config_exists(name)) {
        throw Failure(Exit::exists, "volume " + name + " is already configured",
                      "see: zumastor status " + name + "; to start anew: zumastor forget volume " + name);
    }
    if (const auto device = mapper::find(name)) {
        throw Failure(Exit::exists,
                      "/dev/mapper/" + name + " exists already (" +
                          (device->uuid.empty() ? "no UUID" : device->uuid) + ")",
                      "choose another name for the volume");
    }
}

void check_new_devices(const NewVolume& wanted)
{
    find_daemon();
    refuse_devices_of_others(wanted);
    open_exclusive(wanted.paths.origin, O_RDONLY, "origin");
    open_exclusive(wanted.paths.store, O_RDONLY, "snapshot store");
    if (wanted.paths.meta) {
        open_exclusive(*wanted.paths.meta, O_RDONLY, "metadata device");
    }
    refuse_written_device(wanted.paths.origin, "origin");
    check_order(wanted);
    if (wanted.initialize) {
        check_store_fits(wanted.paths, wanted.format);
    } else {
        check_existing_store(wanted);
    }
}

std::string question_about(const NewVolume& wanted)
{
    std::vector<std::string> losses;
    if (!wanted.initialize) {
        return {};
    }
    for (const DeviceNode* device :
         {&wanted.paths.store, wanted.paths.meta ? &*wanted.paths.meta : nullptr}) {
        if (device == nullptr) {
            continue;
        }
        if (const std::string content = precious_content(*device); !content.empty()) {
            losses.push_back("snapshot store " + device->given + " holds " + content +
                             ": all of it will be lost (" + kOrder + ").");
        }
    }
    if (wanted.zero_origin) {
        if (const std::string content = precious_content(wanted.paths.origin); !content.empty()) {
            losses.push_back("origin " + wanted.paths.origin.given + " holds " + content +
                             ": --zero destroys it.");
        }
    }
    if (wanted.config.source) {
        losses.push_back("the content of origin " + wanted.paths.origin.given +
                         " will be overwritten with what " + wanted.config.source->host + " sends");
    }
    return join(losses, "; ");
}

Volume make_volume(const NewVolume& wanted)
{
    Volume volume(wanted.config);
    if (wanted.initialize) {
        refuse_earlier_revert(wanted.config.name);
    }
    if (wanted.zero_origin) {
        zero_device(wanted.paths.origin);
    }
    if (wanted.initialize) {
        volume.config().uuid = initialize_store(wanted.paths, wanted.format);
        forget_earlier_state(volume.paths().state);
    }
    try {
        check_interrupt();
        save_config(volume.config());
        volume.start_devices();
        save_config(volume.config()); // with the UUID, if the store was there before
    } catch (...) {
        undo(volume);
        throw;
    }
    return volume;
}

} // namespace zumastor
