// SPDX-License-Identifier: GPL-2.0
// zumastor start, stop, forget: volume and master.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/host/raw_origin.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/samba.h"
#include "tools/zumastor/volume/stop.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

bool dry_run(const DryRun& given, const std::string& what)
{
    if (given.dry_run) {
        std::printf("would %s\n", what.c_str());
    }
    return given.dry_run;
}

void start_and_remember(Volume& volume, Troubles& troubles)
{
    const std::string uuid = volume.config().uuid;
    volume.start_devices();
    if (volume.config().uuid != uuid) {
        attempt(troubles, "the volume's UUID is not saved", [&] { save_config(volume.config()); });
    }
    attempt(troubles, "the volume's timers are not started", [&] { wake_timers(volume.config()); });
}

void stop_for_good(Volume& volume)
{
    stop_completely(volume);
    mark_stopped(volume.config().name);
    give_raw_origin_back(volume.config());
}

Exit start_volume(const OneVolume& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    Troubles troubles;
    if (!dry_run(given, "start ddsnapd and create " + volume.paths().origin_device)) {
        start_and_remember(volume, troubles);
    }
    return conclude(troubles);
}

Exit start_master(const OneVolume& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    const std::string& name = volume.config().name;
    if (!volume.config().master) {
        throw Failure(Exit::usage, volume.what() + " is not a master",
                      "make it a master: zumastor define master " + name);
    }
    if (dry_run(given, "start " + volume.what() + " and mount it at " + volume.mount_point())) {
        return Exit::ok;
    }
    Troubles troubles;
    start_and_remember(volume, troubles);
    if (!mount_all(volume, troubles)) {
        throw Failure(Exit::failed, volume.paths().origin_device + " holds no filesystem",
                      "make one: mkfs.ext4 " + volume.paths().origin_device);
    }
    mark_started(name);
    return conclude(troubles);
}

Exit stop_volume(const OneVolume& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    if (given.dry_run) {
        refuse_if_used(volume);
    }
    if (!dry_run(given, "unmount " + volume.what() + ", remove its devices and end its daemon")) {
        stop_for_good(volume);
    }
    return Exit::ok;
}

Exit stop_master(const OneVolume& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    refuse_if_used(volume);
    if (!dry_run(given, "unmount " + volume.what() + " and its snapshots")) {
        take_out_of_use(volume).reset();
    }
    return Exit::ok;
}

Exit forget_volume(const OneVolume& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    const std::string& name = volume.config().name;
    if (dry_run(given, "stop " + volume.what() + " and remove " + volume.paths().config)) {
        refuse_if_used(volume);
        return Exit::ok;
    }
    stop_for_good(volume);
    remove_config(name);
    follow_config(volume.config(), VolumeConfig{});
    volume.config().master.reset();
    follow_samba(volume);
    std::error_code error;
    std::filesystem::remove_all(volume.paths().runtime, error);
    for (const std::string& directory : {volume.paths().default_mount, volume.paths().default_snapshots}) {
        ::rmdir(directory.c_str()); // stays if something else is in it
    }
    std::printf("volume %s is forgotten; %s and %s are unchanged\n", name.c_str(),
                volume.config().origin.c_str(), volume.config().store.c_str());
    return Exit::ok;
}

} // namespace

constexpr CommandSpec kStartVolume =
    command<start_volume>("start volume", arguments<&OneVolume::volume>("VOL"),
                          "Start the daemon and create /dev/mapper/VOL.", kOneVolume,
                          Page{"Starts the volume's daemon and its device. Nothing is mounted. Can be "
                               "repeated.",
                               "$ zumastor start volume data"});
constexpr CommandSpec kStartMaster =
    command<start_master>("start master", arguments<&OneVolume::volume>("VOL"),
                          "Start the volume, and mount the volume and its snapshots.", kOneVolume,
                          Page{"Starts the volume if it is not started, and mounts it with the options of "
                               "define master. At boot systemd does this.",
                               "$ zumastor start master data"});
constexpr CommandSpec kStopVolume =
    command<stop_volume>("stop volume", arguments<&OneVolume::volume>("VOL"),
                         "Unmount everything, remove the devices, end the daemon.", kOneVolume,
                         Page{"If the volume or a snapshot is in use, in any mount namespace, the command "
                              "names the users and changes nothing. With systemd the volume stays stopped "
                              "until the next boot, or until it is started.",
                              "$ zumastor stop volume data"});
constexpr CommandSpec kStopMaster = command<stop_master>(
    "stop master", arguments<&OneVolume::volume>("VOL"), "Unmount the volume and its snapshots.", kOneVolume,
    Page{"Unmounts the volume and its snapshots; device and daemon stay. If the volume "
         "or a snapshot is in use, the command names the users and changes nothing.",
         "$ zumastor stop master data"});
constexpr CommandSpec kForgetVolume =
    command<forget_volume>("forget volume", arguments<&OneVolume::volume>("VOL"),
                           "Stop the volume and forget it; its data stay.", kOneVolume,
                           Page{"Stops the volume and removes its configuration. Origin and store keep their "
                                "content: define volume without --initialize uses them again.",
                                "$ zumastor forget volume data"});

} // namespace zumastor
