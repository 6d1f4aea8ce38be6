// SPDX-License-Identifier: GPL-2.0
// zumastor define master: the volume is mounted, and its snapshots are.
#include <cstdio>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/replication/promotion.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/samba.h"
#include "tools/zumastor/volume/sharing.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

struct DefineMaster : Yes, Force, DryRun {
    std::string volume;
    bool no_snapmount = false;
    bool dotsnapshot = false;
    bool exported = false;
    bool samba = false;
};

MasterRole master_role_from(const DefineMaster& given)
{
    const MasterRole role{!given.no_snapmount, given.dotsnapshot, given.exported, given.samba};
    if (!role.mount_snapshots && (role.over_nfs || role.samba)) {
        throw Failure(Exit::usage, "--export and --samba show mounted snapshots, --no-snapmount mounts none",
                      "leave out --no-snapmount, or --export and --samba");
    }
    return role;
}

// A stream that was broken off has left a mixture of two snapshots: nothing to be mounted unnoticed.
void refuse_half_received(const Volume& volume, const DefineMaster& given)
{
    const std::string& name = volume.config().name;
    if (!given.yes && load_replica_state(volume.paths().state).reception) {
        throw Failure(Exit::mismatch,
                      volume.what() + " holds part of an interrupted stream: its content is a mixture of two "
                                      "snapshots",
                      "take the stream back: zumastor define source " + name +
                          " HOST, then zumastor promote " + name +
                          "; or accept the mixture: repeat this command with --yes");
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
        note(volume.what() + " is a mixture now: a part is from snapshot " + part.to +
             (part.from.empty() ? ", the rest is as it was" : ", the rest is from snapshot " + part.from) +
             "; the interrupted reception is forgotten; the volume's snapshots are complete");
    }
}

Exit define_master(const DefineMaster& given)
{
    if (load_config(given.volume).source) {
        return promote({given.volume, master_role_from(given), given.force, given.yes, given.dry_run});
    }
    const VolumeLock no_reception(given.volume, "receive"); // it would be mounted under the writer
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    const std::string name = volume.config().name;
    volume.config().master = master_role_from(given);
    refuse_unshareable(volume, *volume.config().master);
    refuse_half_received(volume, given);
    if (given.dry_run) {
        std::printf("would mount %s at %s%s\n", volume.paths().origin_device.c_str(),
                    volume.mount_point().c_str(),
                    given.no_snapmount ? "" : (", snapshots below " + volume.snapshot_directory()).c_str());
        return Exit::ok;
    }
    volume.start_devices();
    Troubles troubles;
    const bool mounted = mount_all(volume, troubles);
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

constexpr auto kDefineMasterOptions = option_table<DefineMaster>(
    flag<&DefineMaster::no_snapmount>("-n,--no-snapmount", "do not mount the snapshots"),
    flag<&DefineMaster::dotsnapshot>("-s,--dotsnapshot",
                                     "also show the snapshots in .snapshot in the volume's root"),
    flag<&DefineMaster::exported>(
        "-e,--export", "export the snapshots over NFS, read-only, to the clients of the mount point"),
    flag<&DefineMaster::samba>("-p,--samba", "write the settings of a Samba share with previous versions"),
    flag<&DefineMaster::yes>("-y,--yes",
                             "promote a replica without asking; accept what an interrupted stream left"),
    kForceOption, kDryRunOption);

} // namespace

constexpr CommandSpec kDefineMaster = command<define_master>(
    "define master", arguments<&DefineMaster::volume>("VOL"),
    "Mount the volume and its snapshots; options that are not given are reset.", kDefineMasterOptions,
    Page{"Mounts the volume's filesystem, mounts its snapshots below the snapshot "
         "directory, and makes the links hourly.0 and so on. Options that are not "
         "given are turned off. A replica becomes a master, as with promote.",
         "$ zumastor define master data\n"
         "With snapshots for NFS clients, and in .snapshot:\n"
         "$ zumastor define master data --export --dotsnapshot"});

} // namespace zumastor
