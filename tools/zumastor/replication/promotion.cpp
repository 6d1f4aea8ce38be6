// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/promotion.h"
#include "tools/zumastor/config/troubles.h"

#include <algorithm>
#include <cstdio>

#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/replication/receiving.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/rollback.h"
#include "tools/zumastor/volume/samba.h"
#include "tools/zumastor/volume/sharing.h"
#include "tools/zumastor/volume/shown_snapshot.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;

void refuse_master(const Volume& volume)
{
    const std::string& name = volume.config().name;
    if (volume.config().master) {
        throw Failure(Exit::usage, volume.what() + " is a master already",
                      "to mount it: zumastor start master " + name);
    }
    if (!volume.config().source) {
        throw Failure(Exit::usage, volume.what() + " is not a replica",
                      "make it a master: zumastor define master " + name);
    }
}

SnapshotEntry need_complete(const Volume& volume, Daemon& daemon, const ReplicaState& state)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    const auto last = std::find_if(list.begin(), list.end(), [&](const SnapshotEntry& snapshot) {
        return snapshot.uuid == state.last && !snapshot.squashed;
    });
    if (last == list.end()) {
        throw Failure(Exit::not_found,
                      volume.what() + (state.last.empty()
                                           ? ": no snapshot was ever received completely"
                                           : ": the last received snapshot does not exist any more"),
                      "receive one: zumastor replicate " + volume.config().name +
                          "; or accept what the device holds: zumastor forget source " +
                          volume.config().name + ", zumastor define master " + volume.config().name);
    }
    return *last;
}

// A write that nobody knows of is not to become the master's content unnoticed.
void restore_origin(const Volume& volume, Daemon& daemon, ReplicaState& state, const SnapshotEntry& last,
                    bool force)
{
    if (state.reception) {
        note(volume.what() + ": an unfinished stream is taken back, to snapshot " + std::to_string(last.id));
        take_back(volume, daemon, state);
    }
    if (origin_equals(volume, daemon, last)) {
        return;
    }
    if (!force) {
        throw Failure(Exit::mismatch,
                      volume.what() + " differs from snapshot " + last.uuid +
                          ", the last one received: something else has written to the volume",
                      "take the writes back: zumastor receive --abort " + volume.config().name +
                          "; then promote again");
    }
    const SnapshotEntry kept = keep_origin(volume, daemon, kTakenBackKind);
    note(volume.what() + " was written to by something else; the writes are taken back");
    tell_kept(volume.config(), kept);
    roll_back(volume, daemon, state);
}

// In an emergency nobody is asked to leave. What was open leads nowhere any more, and the volume has new
// devices, which only the new master uses.
void make_way(Volume& volume, Daemon& daemon)
{
    if (const InUse now = who_uses(volume); !now.users.empty()) {
        cut_off(volume, now);
        volume.start_devices();
        show_newest(volume, daemon); // should it be refused yet
    }
}

// Of those who are in the way, with --force; without, they are why it is refused.
std::string users_to_cut_off(const Volume& volume, const Promotion& given)
{
    if (!given.force) {
        refuse_if_used(volume);
        return {};
    }
    return join(who_uses(volume).users, "; ");
}

struct Promotable {
    VolumeLock no_reception;
    LockedVolume locked;
    ReplicaState state;
    SnapshotEntry last;
    std::string in_the_way;
    std::string question;
};

Promotable find_promotable(const Promotion& given)
{
    const std::string name = given.volume;
    refuse_master(Volume(load_config(name)));
    VolumeLock no_reception(name, "receive");
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    refuse_master(volume); // somebody may have been faster
    refuse_unshareable(volume, given.role);
    std::string in_the_way = users_to_cut_off(volume, given);
    if (!given.dry_run) {
        volume.start_devices();
    }
    Daemon daemon = volume.daemon();
    ReplicaState state = load_replica_state(volume.paths().state);
    end_reception(volume, daemon, state);
    SnapshotEntry last = need_complete(volume, daemon, state);
    std::string question = "volume " + name + " becomes a master with the content of snapshot " +
                           std::to_string(last.id) + "; what is newer on " + volume.config().source->host +
                           " is not included" +
                           (in_the_way.empty() ? "" : "; these users will be cut off: " + in_the_way);
    return {std::move(no_reception), std::move(locked),     std::move(state),
            std::move(last),         std::move(in_the_way), std::move(question)};
}

} // namespace

Exit promote(const Promotion& given)
{
    const bool dry = given.dry_run;
    Promotable found = look_and_ask(dry || given.yes, [&] { return find_promotable(given); });
    Volume& volume = found.locked.volume;
    const std::string name = volume.config().name;
    const SourceRole source = *volume.config().source;
    ReplicaState& state = found.state;
    const SnapshotEntry& last = found.last;
    if (dry) {
        std::printf("would make volume %s a master, with the content of snapshot %llu%s\n", name.c_str(),
                    static_cast<unsigned long long>(last.id),
                    state.reception ? ", and take back an unfinished stream" : "");
        if (!found.in_the_way.empty()) {
            std::printf("would cut off: %s\n", found.in_the_way.c_str());
        }
        return Exit::ok;
    }
    Daemon daemon = volume.daemon();
    if (given.force) {
        make_way(volume, daemon);
    }
    // If it is refused, the replica still shows what it did.
    restore_origin(volume, daemon, state, last, given.force);
    UniqueFd held = take_out_of_use(volume);
    save_former_source(volume.paths().state, {source, last.uuid});
    const VolumeConfig before = volume.config();
    volume.config().master = given.role;
    volume.config().source.reset();
    Troubles troubles;
    save_and_follow(before, volume.config(), troubles);
    follow_samba(volume);
    held.reset(); // for the filesystem
    if (mount_all(volume, troubles)) {
        std::printf("volume %s is a master now, mounted at %s\n", name.c_str(), volume.mount_point().c_str());
    } else {
        std::printf("volume %s is a master now; it holds no filesystem to mount\n", name.c_str());
    }
    tell_sharing(volume);
    mark_started(name);
    note("to make the old master a replica, on " + source.host + ": zumastor reverse " +
         (source.volume.empty() ? name : source.volume));
    return conclude(troubles);
}

} // namespace zumastor
