// SPDX-License-Identifier: GPL-2.0
// zumastor start, stop, forget.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "tools/common/other_origin.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/raw_origin.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/samba.h"

namespace zumastor {
namespace {

bool dry_run(const Args& args, const std::string& what)
{
    if (args.has("--dry-run")) {
        std::printf("would %s\n", what.c_str());
    }
    return args.has("--dry-run");
}

void start_and_remember(Volume& volume, Troubles& troubles)
{
    const std::string uuid = volume.config().uuid;
    volume.start_devices();
    if (volume.config().uuid != uuid) {
        attempt(troubles, "its UUID is not noted", [&] { save_config(volume.config()); });
    }
    attempt(troubles, "its timers rest", [&] { wake_timers(volume.config()); });
}

} // namespace

LockedVolume lock_volume(const Args& args)
{
    const std::string name = args.need("VOL");
    load_config(name); // a volume that does not exist leaves no lock file behind
    VolumeLock lock(name);
    return {std::move(lock), Volume(load_config(name))};
}

Exit conclude(const Troubles& troubles)
{
    for (const std::string& trouble : troubles) {
        report(trouble);
    }
    return troubles.empty() ? Exit::ok : Exit::partly;
}

void revive_for_unmount(Volume& volume)
{
    if (volume.origin_mount() && !volume.try_daemon()) {
        note(volume.what() + ": its daemon does not run; starting it, or nothing could be unmounted");
        volume.start_devices();
    }
}

void stop_completely(Volume& volume)
{
    refuse_if_used(volume);
    rest_timers(volume.config());
    try {
        take_out_of_use(volume).reset();
    } catch (const Failure&) {
        wake_timers(volume.config());
        throw;
    }
    volume.stop_devices();
}

namespace {

void stop_for_good(Volume& volume)
{
    stop_completely(volume);
    mark_stopped(volume.config().name);
    give_raw_origin_back(volume.config());
}

} // namespace

Exit start_volume(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    Troubles troubles;
    if (!dry_run(args, "start ddsnapd and create " + volume.paths().origin_device)) {
        start_and_remember(volume, troubles);
    }
    return conclude(troubles);
}

Exit start_master(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    const std::string& name = volume.config().name;
    if (!volume.config().master) {
        throw Failure(Exit::usage, volume.what() + " has no master role",
                      "give it one: zumastor define master " + name);
    }
    if (dry_run(args, "start " + volume.what() + " and mount it at " + volume.mount_point())) {
        return Exit::ok;
    }
    Troubles troubles;
    start_and_remember(volume, troubles);
    if (!volume.mount_all(troubles)) {
        throw Failure(Exit::failed, volume.paths().origin_device + " holds no filesystem",
                      "make one: mkfs.ext4 " + volume.paths().origin_device);
    }
    mark_started(name);
    return conclude(troubles);
}

namespace {

// What may be asked of the store: no daemon may have it, and it must be this volume's.
StorePaths need_store_at_rest(Volume& volume)
{
    if (volume.try_daemon() || mapper::find(volume.paths().origin_name)) {
        throw Failure(Exit::busy, volume.what() + " is started: its origin has been accepted",
                      "to exchange the origin's disk: zumastor stop volume " + volume.config().name);
    }
    StorePaths paths = volume.attach_devices();
    volume.refuse_wrong_devices(paths);
    return paths;
}

} // namespace

// The question is asked before the lock is taken; what it was about is looked at again under it.
Exit accept_volume_origin(const Args& args)
{
    const std::string name = args.need("VOL");
    Volume before(load_config(name));
    const StorePaths found = need_store_at_rest(before);
    const std::string why = why_other_origin(found);
    if (why.empty()) {
        std::printf("volume %s: origin %s is the one that its store is of; nothing was changed\n",
                    name.c_str(), before.config().origin.c_str());
        return Exit::ok;
    }
    const bool keep = args.has("--keep-snapshots");
    const std::string what = describe_acceptance(found, keep);
    if (dry_run(args, "accept it: " + what)) {
        return Exit::ok;
    }
    confirm(before.what() + ": " + what, args.has("--yes"));
    LockedVolume locked = lock_volume(args);
    const std::size_t lost = accept_origin(need_store_at_rest(locked.volume), keep);
    std::printf("volume %s: origin %s is accepted; %zu snapshots were given up\n", name.c_str(),
                locked.volume.config().origin.c_str(), lost);
    return Exit::ok;
}

Exit stop_volume(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    if (args.has("--dry-run")) {
        refuse_if_used(volume);
    }
    if (!dry_run(args, "unmount " + volume.what() + ", remove its devices and end its daemon")) {
        stop_for_good(volume);
    }
    return Exit::ok;
}

Exit stop_master(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    refuse_if_used(volume);
    if (!dry_run(args, "unmount " + volume.what() + " and its snapshots")) {
        take_out_of_use(volume).reset();
    }
    return Exit::ok;
}

Exit forget_volume(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    const std::string& name = volume.config().name;
    if (dry_run(args, "stop " + volume.what() + " and remove " + volume.paths().config)) {
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
    std::printf("volume %s is forgotten; %s and %s are as they were\n", name.c_str(),
                volume.config().origin.c_str(), volume.config().store.c_str());
    return Exit::ok;
}

} // namespace zumastor
