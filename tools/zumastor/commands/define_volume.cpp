// SPDX-License-Identifier: GPL-2.0
// zumastor define volume: a volume of an origin and a snapshot store.
#include <cstdio>

#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/snapshot_options.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/new_volume.h"
#include "tools/zumastor/volume/other_users.h"

namespace zumastor {
namespace {

struct DefineVolume : FillOptions, Yes, DryRun {
    std::string volume;
    std::string origin;
    std::string store;
    bool initialize = false;
    bool zero = false;
    std::optional<std::string> metadev;
    std::optional<std::string> blocksize;
    std::optional<std::string> chunksize;
    std::optional<std::string> cachesize;
    std::optional<std::string> mountpoint;
    std::optional<std::string> mountopts;
    std::optional<std::string> snappath;
    std::optional<std::string> snapmountopts;
};

NewVolume new_volume_from(const DefineVolume& given)
{
    NewVolume wanted;
    VolumeConfig& config = wanted.config;
    config.name = VolumeName::need(given.volume);
    if (const auto cache = given.cachesize) {
        config.cache_bytes = need_size(*cache, "cache size");
    }
    apply(given, config);
    if (const auto directory = given.mountpoint) {
        config.mount_point = canonical(*directory);
    }
    if (const auto directory = given.snappath) {
        config.snapshot_path = canonical(*directory);
    }
    if (const Volume place(config);
        is_below(canonical(place.snapshot_directory()), canonical(place.mount_point()))) {
        throw Failure(Exit::usage,
                      place.snapshot_directory() +
                          " is inside the volume, where the volume's users may write",
                      "choose another --snappath; to show snapshots in the volume, use define "
                      "master --dotsnapshot");
    }
    config.mount_options = given.mountopts.value_or("");
    config.snapshot_options = given.snapmountopts.value_or("");
    check_snapshot_options(config.snapshot_options);
    if (const auto chunk = given.chunksize) {
        wanted.format.chunk_bytes = need_chunk_size(*chunk);
    }
    if (const auto block = given.blocksize) {
        need_block_size(*block);
    }
    wanted.initialize = given.initialize;
    wanted.zero_origin = given.zero;
    if (wanted.zero_origin && !wanted.initialize) {
        throw Failure(Exit::usage, "--zero is only for a new store: add --initialize");
    }
    return wanted;
}

void fill_devices(const DefineVolume& given, NewVolume& wanted)
{
    wanted.paths = need_store_paths(given.store, given.origin, given.metadev);
    wanted.config.origin = stable_name(wanted.paths.origin);
    wanted.config.store = stable_name(wanted.paths.store);
    if (wanted.paths.meta) {
        wanted.config.meta = stable_name(*wanted.paths.meta);
    }
}

struct Definable {
    VolumeLock lock;
    NewVolume wanted;
    std::string question;
};

Definable find_definable(const DefineVolume& given)
{
    NewVolume wanted = new_volume_from(given);
    check_new_name(wanted.config);
    VolumeLock lock(wanted.config.name);
    check_new_name(wanted.config); // another command may just have made it
    fill_devices(given, wanted);
    check_new_devices(wanted);
    if (!given.dry_run) {
        mapper::require_target();
    }
    std::string question = question_about(wanted);
    return {std::move(lock), std::move(wanted), std::move(question)};
}

Exit define_volume(const DefineVolume& given)
{
    const bool dry = given.dry_run;
    const Definable found = look_and_ask(dry || given.yes, [&] { return find_definable(given); });
    const NewVolume& wanted = found.wanted;
    const std::string name = wanted.config.name;
    if (dry) {
        std::printf("would %s, start ddsnapd and create /dev/mapper/%s\n",
                    wanted.initialize ? ("make a new snapshot store on " + wanted.config.store).c_str()
                                      : ("use the snapshot store on " + wanted.config.store).c_str(),
                    name.c_str());
        return Exit::ok;
    }
    const Volume volume = make_volume(wanted);
    tell_of_others(volume.config());
    VolumeConfig none;
    none.name = volume.config().name;
    follow_config(none, volume.config());
    std::printf("volume %s is ready: /dev/mapper/%s; mount it with: zumastor define master %s\n",
                name.c_str(), name.c_str(), name.c_str());
    return Exit::ok;
}

constexpr auto kDefineVolumeOptions = option_table<DefineVolume>(
    flag<&DefineVolume::initialize>("-i,--initialize", "make a new snapshot store on SNAPSTORE"),
    flag<&DefineVolume::zero>("-z,--zero", "fill the origin with zeros (with -i)"),
    value<&DefineVolume::metadev>("-m,--metadev", "DEV", "a separate device for the metadata"),
    value<&DefineVolume::blocksize>("-b,--blocksize", "SIZE", "size of metadata blocks: 4k"),
    value<&DefineVolume::chunksize>("-c,--chunksize", "SIZE",
                                    "unit of copying, with -i: 4k … 1m, a power of two (16k)"),
    value<&DefineVolume::cachesize>("-k,--cachesize", "SIZE", "the daemon's memory for metadata"),
    kFillOptions,
    value<&DefineVolume::mountpoint>("-p,--mountpoint", "DIR",
                                     "where the volume is mounted (/var/run/zumastor/mount/VOL)"),
    value<&DefineVolume::mountopts>("-o,--mountopts", "LIST", "the volume's mount options"),
    value<&DefineVolume::snappath>("-s,--snappath", "DIR",
                                   "where its snapshots are mounted (/var/run/zumastor/snapshot/VOL)"),
    value<&DefineVolume::snapmountopts>(
        "--snapmountopts", "LIST",
        "mount options of snapshots and replicas: suid, dev (otherwise nosuid, "
        "nodev), exec, symfollow (otherwise as the volume's options say), noexec, "
        "nosymfollow"),
    kYesOption, kDryRunOption);

} // namespace

constexpr CommandSpec kDefineVolume = command<define_volume>(
    "define volume",
    arguments<&DefineVolume::volume, &DefineVolume::origin, &DefineVolume::store>("VOL ORIGIN SNAPSTORE"),
    "Make a volume of an origin and a snapshot store.", kDefineVolumeOptions,
    Page{"The origin keeps its content. With --initialize a new store is made; if data "
         "is found on the device, you are asked first. Without --initialize the "
         "existing store is used; it must belong to this origin. The volume is started "
         "as /dev/mapper/VOL. Nothing is mounted: define master does that.",
         "$ zumastor define volume data /dev/sdb1 /dev/sdc1 --initialize"});

} // namespace zumastor
