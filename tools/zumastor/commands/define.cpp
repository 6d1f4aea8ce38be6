// SPDX-License-Identifier: GPL-2.0
// zumastor define …
#include <algorithm>
#include <cstdio>

#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/look_and_ask.h"
#include "tools/zumastor/config/snapshot_options.h"
#include "tools/zumastor/host/exports.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/host/other_users.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/samba.h"

namespace zumastor {
namespace {

NewVolume new_volume_from(const Args& args)
{
    NewVolume wanted;
    VolumeConfig& config = wanted.config;
    config.name = VolumeName::need(args.need("VOL"));
    if (const auto cache = args.get("--cachesize")) {
        config.cache_bytes = need_size(*cache, "cache size");
    }
    config.warn_at = need_marks(args.get("--warn-at").value_or(""));
    config.snapshot_first = args.has("--snapshot-first");
    if (const auto directory = args.get("--mountpoint")) {
        config.mount_point = canonical(*directory);
    }
    if (const auto directory = args.get("--snappath")) {
        config.snapshot_path = canonical(*directory);
    }
    if (const Volume place(config);
        is_below(canonical(place.snapshot_directory()), canonical(place.mount_point()))) {
        throw Failure(
            Exit::usage, place.snapshot_directory() + " is inside of the volume, where its users may write",
            "choose another --snappath; --dotsnapshot of define master shows snapshots in the volume");
    }
    config.mount_options = args.get("--mountopts").value_or("");
    config.snapshot_options = args.get("--snapmountopts").value_or("");
    check_snapshot_options(config.snapshot_options);
    if (const auto chunk = args.get("--chunksize")) {
        wanted.format.chunk_bytes = need_chunk_size(*chunk);
    }
    if (const auto block = args.get("--blocksize")) {
        need_block_size(*block);
    }
    wanted.initialize = args.has("--initialize");
    wanted.zero_origin = args.has("--zero");
    if (wanted.zero_origin && !wanted.initialize) {
        throw Failure(Exit::usage, "--zero is for a new volume: it needs --initialize, too");
    }
    return wanted;
}

void fill_devices(const Args& args, NewVolume& wanted)
{
    wanted.paths = need_store_paths(args.need("SNAPSTORE"), args.need("ORIGIN"), args.get("--metadev"));
    wanted.config.origin = stable_name(wanted.paths.origin);
    wanted.config.store = stable_name(wanted.paths.store);
    if (wanted.paths.meta) {
        wanted.config.meta = stable_name(*wanted.paths.meta);
    }
}

Kind parse_custom(const std::string& text, std::int64_t most)
{
    const std::size_t comma = text.find(',');
    if (comma == std::string::npos) {
        throw Failure(Exit::usage, "--custom " + text + ": give a name and a number: NAME,N");
    }
    const std::string name = text.substr(0, comma);
    check_kind_name(name);
    if (is_kept_kind(name)) {
        throw Failure(Exit::usage, "--custom " + text + ": such snapshots are kept until they are released",
                      "choose another name");
    }
    if (std::find(kBuiltinKinds.begin(), kBuiltinKinds.end(), name) != kBuiltinKinds.end()) {
        throw Failure(Exit::usage, "--custom " + text + ": for this kind there is --" + name);
    }
    return {name, static_cast<std::uint64_t>(need_integer(text.substr(comma + 1), name, 0, most))};
}

struct Definable {
    VolumeLock lock;
    NewVolume wanted;
    std::string question;
};

Definable find_definable(const Args& args)
{
    NewVolume wanted = new_volume_from(args);
    check_new_name(wanted.config);
    VolumeLock lock(wanted.config.name);
    check_new_name(wanted.config); // another command may just have made it
    fill_devices(args, wanted);
    check_new_devices(wanted);
    if (!args.has("--dry-run")) {
        mapper::require_target();
    }
    std::string question = question_about(wanted);
    return {std::move(lock), std::move(wanted), std::move(question)};
}

} // namespace

Exit define_volume(const Args& args)
{
    const bool dry = args.has("--dry-run");
    const Definable found = look_and_ask(dry || args.has("--yes"), [&] { return find_definable(args); });
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

MasterRole master_role_from(const Args& args)
{
    const MasterRole role{!args.has("--no-snapmount"), args.has("--dotsnapshot"), args.has("--export"),
                          args.has("--samba")};
    if (!role.mount_snapshots && (role.over_nfs || role.samba)) {
        throw Failure(Exit::usage, "--export and --samba show mounted snapshots, --no-snapmount mounts none",
                      "leave one of them out");
    }
    return role;
}

// Before anything is changed.
void refuse_unshareable(const Volume& volume, const MasterRole& role)
{
    if (role.over_nfs) {
        need_export_clients(canonical(volume.mount_point()));
    }
    if (role.samba) {
        need_samba();
    }
}

void tell_sharing(const Volume& volume)
{
    const std::string& name = volume.config().name;
    if (volume.config().master->samba && !is_share_included(name)) {
        std::printf("for Samba to serve it, write into /etc/samba/smb.conf:\n[%s]\n    include = %s\n",
                    name.c_str(), share_file(name).c_str());
    }
}

// A stream that was broken off has left a mixture of two snapshots: nothing to be mounted unnoticed.
void refuse_half_received(const Volume& volume, const Args& args)
{
    const std::string& name = volume.config().name;
    if (!args.has("--yes") && load_replica_state(volume.paths().state).reception) {
        throw Failure(Exit::mismatch,
                      volume.what() +
                          " holds part of a stream that was broken off: a mixture of two snapshots",
                      "take that back: zumastor define source " + name + " HOST, then zumastor promote " +
                          name + "; or take what its device holds, whatever that is: repeat this with --yes");
    }
}

// What the origin holds is the master's from here on. Only when it is one: until then the question stays.
void forget_reception(const Volume& volume)
{
    ReplicaState state = load_replica_state(volume.paths().state);
    if (state.reception) {
        const Reception part = *state.reception;
        state.reception.reset();
        save_replica_state(volume.paths().state, state);
        note(volume.what() + " is now a mixture, part of snapshot " + part.to +
             (part.from.empty() ? ", the rest as it was" : ", the rest of snapshot " + part.from) +
             "; the reception that was broken off is forgotten, the volume's snapshots are whole");
    }
}

Exit define_master(const Args& args)
{
    if (load_config(args.need("VOL")).source) {
        return promote(args);
    }
    const VolumeLock no_reception(args.need("VOL"), "receive"); // it would be mounted under the writer
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    const std::string name = volume.config().name;
    volume.config().master = master_role_from(args);
    refuse_unshareable(volume, *volume.config().master);
    refuse_half_received(volume, args);
    if (args.has("--dry-run")) {
        std::printf(
            "would mount %s at %s%s\n", volume.paths().origin_device.c_str(), volume.mount_point().c_str(),
            args.has("--no-snapmount") ? "" : (", snapshots below " + volume.snapshot_directory()).c_str());
        return Exit::ok;
    }
    volume.start_devices();
    Troubles troubles;
    const bool mounted = volume.mount_all(troubles);
    save_config(volume.config());
    forget_reception(volume);
    follow_samba(volume);
    mark_started(name);
    tell_sharing(volume);
    if (mounted) {
        std::printf("volume %s is mounted at %s\n", name.c_str(), volume.mount_point().c_str());
    } else {
        const std::string& device = volume.paths().origin_device;
        std::printf(
            "volume %s holds no filesystem yet: make one (mkfs.ext4 %s), then: zumastor start master %s\n",
            name.c_str(), device.c_str(), name.c_str());
    }
    return conclude(troubles);
}

void read_schedule(const Args& args, std::vector<Kind>& schedule)
{
    constexpr std::int64_t kMostAsked = 60000; // below the number of snapshots that a store can have
    for (const std::string& kind : kBuiltinKinds) {
        if (const auto count = args.get("--" + kind)) {
            set_kind(schedule, kind, static_cast<std::uint64_t>(need_integer(*count, kind, 0, kMostAsked)));
        }
    }
    for (const std::string& text : args.all("--custom")) {
        const Kind kind = parse_custom(text, kMostAsked);
        set_kind(schedule, kind.name, kind.keep);
    }
}

Exit define_schedule(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    VolumeConfig& config = locked.volume.config();
    const std::string& name = config.name;
    const VolumeConfig was = config;
    const std::vector<Kind>& before = was.schedule;
    read_schedule(args, config.schedule);
    if (!args.has("--dry-run") && config.schedule != before) {
        save_config(config);
    }
    std::printf("volume %s keeps:%s\n", name.c_str(), config.schedule.empty() ? " no rotated snapshots" : "");
    for (const Kind& kind : config.schedule) {
        std::printf("  %s %llu\n", kind.name.c_str(), static_cast<unsigned long long>(kind.keep));
    }
    for (const Kind& kind : before) {
        if (find_kind(config.schedule, kind.name) == nullptr) {
            note("existing " + kind.name + " snapshots stay: this kind is not rotated any more");
        }
    }
    if (!args.has("--dry-run")) {
        follow_config(was, config);
    }
    return Exit::ok;
}

} // namespace zumastor
