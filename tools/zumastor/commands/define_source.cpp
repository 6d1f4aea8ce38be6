// SPDX-License-Identifier: GPL-2.0
// zumastor define source: the volume becomes a replica.
#include <cstdio>

#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/samba.h"

namespace zumastor {
namespace {

struct DefineSource : PeerOptions, CycleTimes, Yes, DryRun {
    std::string volume;
    std::string host;
    bool mount_snap = false;
};

struct Overwritable {
    LockedVolume locked;
    std::string question;
};

Overwritable find_overwritable(const DefineSource& given, const HostName& host)
{
    LockedVolume locked = lock_volume(given.volume);
    const Volume& volume = locked.volume;
    const std::string name = volume.config().name;
    refuse_half_reverted(volume.paths().state, name);
    if (!volume.config().source) {
        refuse_if_used(volume);
    }
    std::string question;
    if (volume.config().master || load_replica_state(volume.paths().state).lineage.empty()) {
        question = "the content of volume " + name + " will be overwritten with what " + host + " sends";
    }
    return {std::move(locked), std::move(question)};
}

Exit define_source(const DefineSource& given)
{
    const bool dry = given.dry_run;
    SourceRole source = source_from(given.host, given);
    source.mount_snapshots = given.mount_snap;
    source.period = period_from(given);
    source.bytes_per_second = rate_from(given);
    Overwritable found =
        look_and_ask(dry || given.yes, [&] { return find_overwritable(given, source.host); });
    Volume& volume = found.locked.volume;
    const std::string& name = volume.config().name;
    source.stopped = volume.config().source && volume.config().source->stopped;
    if (dry) {
        std::printf("would make volume %s a replica of %s\n", name.c_str(), source.host.c_str());
        return Exit::ok;
    }
    std::optional<SnapshotEntry> kept;
    if (volume.config().master) {
        const auto held = take_out_of_use(volume); // nobody writes until it is kept
        volume.start_devices();
        Daemon daemon = volume.daemon();
        kept = keep_origin(volume, daemon, kReversedKind);
        volume.config().master.reset();
        follow_samba(volume);
    }
    const VolumeConfig before = volume.config();
    volume.config().source = source;
    save_config(volume.config());
    remove_former_source(volume.paths().state);
    volume.start_devices();
    Troubles troubles;
    save_and_follow(before, volume.config(), troubles);
    if (kept) {
        tell_kept(volume.config(), *kept);
    }
    std::printf("volume %s is a replica; ask for the first snapshot: zumastor replicate %s\n", name.c_str(),
                name.c_str());
    tell_period(name, "source", source.period, source.stopped);
    return conclude(troubles);
}

constexpr auto kDefineSourceOptions = option_table<DefineSource>(
    kPeriodOption,
    value<&DefineSource::name>("-n,--name", "REMOTEVOL", "the volume's name on HOST (the same)"),
    value<&DefineSource::rate_limit>(
        "-r,--ratelimit,--rate-limit", "SIZE",
        "at most so many bytes a second; if upstream has a limit, the smaller one counts"),
    flag<&DefineSource::mount_snap>("-m,--mount-snap", "mount all snapshots, not only the newest"),
    kSshUserOption, kYesOption, kDryRunOption);

} // namespace

constexpr CommandSpec kDefineSource = command<define_source>(
    "define source", arguments<&DefineSource::volume, &DefineSource::host>("VOL HOST"),
    "Make this volume a replica of a volume on HOST ([USER@]HOST[:PORT]).", kDefineSourceOptions,
    Page{"The first cycle overwrites the content of the volume; you are asked first. "
         "If the volume was a master, a snapshot holds what only this volume has. The "
         "replica's newest snapshot is mounted read-only at the volume's mount point.",
         "$ zumastor define source data upstream.example.com --period 600"});

} // namespace zumastor
