// SPDX-License-Identifier: GPL-2.0
// zumastor remount: another mount point, other options.
#include <cstdio>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/shown_snapshot.h"
#include "tools/zumastor/volume/stop.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

struct Remount : DryRun {
    std::string volume;
    std::string dir;
    std::optional<std::string> opts;
};

namespace fs = std::filesystem;

constexpr const char* kUnchanged = "-";

VolumeConfig wanted_config(const Volume& volume, const Remount& given)
{
    VolumeConfig wanted = volume.config();
    if (const std::string& directory = given.dir; directory != kUnchanged) {
        if (directory.empty()) {
            throw Failure(Exit::usage, "the mount point is empty",
                          "give a directory, or '-' to leave the mount point as it is");
        }
        const std::string place = canonical(directory);
        wanted.mount_point = place == canonical(volume.paths().default_mount) ? "" : place;
    }
    if (const auto& options = given.opts; options && *options != kUnchanged) {
        wanted.mount_options = *options;
    }
    return wanted;
}

void refuse_within(const std::string& place, const std::string& own, const Volume& volume)
{
    if (is_below(place, canonical(own))) {
        throw Failure(Exit::usage, place + " is inside " + own + ", which belongs to " + volume.what());
    }
}

void refuse_bad_place(const Volume& volume, const Volume& next)
{
    const std::string place = canonical(next.mount_point());
    const std::string& name = volume.config().name;
    if (place == canonical(volume.mount_point())) {
        return;
    }
    const auto found = look_at(place).need();
    if (found && !S_ISDIR(found->st_mode)) {
        throw Failure(Exit::usage, place + " is not a directory");
    }
    for (const std::string& own : {volume.mount_point(), volume.snapshot_directory()}) {
        refuse_within(place, own, volume);
    }
    for (const std::string& other : list_volumes()) {
        const auto config = other != name ? try_load_config(other) : std::nullopt;
        if (config && canonical(Volume(*config).mount_point()) == place) {
            const std::string reason = " is the mount point of volume " + other;
            throw Failure(Exit::exists, place + reason);
        }
    }
    if (is_mount_point(place)) {
        throw Failure(Exit::exists, "something else is mounted at " + place);
    }
}

bool is_mounted(const Volume& volume)
{
    if (volume.config().source) {
        return is_mount_point(volume.mount_point());
    }
    const auto mount = origin_mount(volume);
    return mount && mount->target == canonical(volume.mount_point());
}

// Mounts the volume where its configuration says: a replica's newest snapshot, else the origin.
void show(Volume& volume, Troubles& troubles)
{
    if (volume.config().source) {
        Daemon daemon = volume.daemon();
        show_newest(volume, daemon);
    } else if (!mount_all(volume, troubles)) {
        throw Failure(Exit::failed, volume.paths().origin_device + " holds no filesystem");
    }
}

// The configuration changes while nothing is mounted, so that at every moment the next start mounts it at one
// place, the old one or the new.
void move(Volume& volume, Volume& next, Troubles& troubles)
{
    refuse_if_mount_point_used(volume);
    try {
        unmount_origin(volume);
    } catch (const Failure&) {
        show(volume, troubles); // .snapshot may be gone already
        throw;
    }
    save_config(next.config());
    try {
        show(next, troubles);
    } catch (const Failure& failure) {
        save_config(volume.config());
        show(volume, troubles);
        throw Failure(failure.code(), std::string(failure.what()) + "; the mount is as it was",
                      failure.next());
    }
}

void change_options(Volume& volume, Volume& next, Troubles& troubles)
{
    const std::string& before = volume.config().mount_options;
    const std::string& now = next.config().mount_options;
    if (volume.config().source) {
        note(volume.what() + " is a replica: its snapshots keep their own mount options; the new options "
                             "apply after a promotion");
        save_config(next.config());
    } else if (filesystem_options(before) == filesystem_options(now)) {
        remount_filesystem(volume.paths().origin_device, canonical(volume.mount_point()), now);
        save_config(next.config());
    } else {
        // What is not given any more would stay, and what works now might not work at the next mount.
        move(volume, next, troubles);
    }
}

Exit remount(const Remount& given)
{
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    Volume next(wanted_config(volume, given));
    refuse_bad_place(volume, next);
    const std::string options = next.config().mount_options;
    const std::string where = next.mount_point() + (options.empty() ? "" : " with " + options);
    const bool mounted = is_mounted(volume);
    if (given.dry_run) {
        std::printf("would mount volume %s at %s%s\n", volume.config().name.c_str(), where.c_str(),
                    mounted ? "" : " when it is started");
        return Exit::ok;
    }
    Troubles troubles;
    if (!mounted) {
        save_config(next.config());
    } else {
        revive_for_unmount(volume);
        if (canonical(next.mount_point()) != canonical(volume.mount_point())) {
            move(volume, next, troubles);
        } else {
            change_options(volume, next, troubles);
        }
    }
    std::printf("volume %s is mounted at %s%s\n", volume.config().name.c_str(), where.c_str(),
                mounted ? "" : " when it is started");
    follow_config(volume.config(), next.config());
    return conclude(troubles);
}

constexpr auto kRemountOptions = option_table<Remount>(kDryRunOption);

} // namespace

constexpr CommandSpec kRemount =
    command<remount>("remount", arguments<&Remount::volume, &Remount::dir, &Remount::opts>("VOL DIR [OPTS]"),
                     "Change the mount point, the mount options, or both ('-': unchanged).", kRemountOptions,
                     Page{"A mounted volume is mounted at DIR at once; every later start mounts it "
                          "there. '-' leaves mount point or options as they are.",
                          "$ zumastor remount data /srv/data\n"
                          "$ zumastor remount data - noatime"});

} // namespace zumastor
