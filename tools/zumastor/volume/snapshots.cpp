// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/snapshots.h"
#include "tools/zumastor/config/troubles.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "tools/common/failure.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/host/freeze.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/volume/bookmark.h"
#include "tools/zumastor/volume/held_snapshots.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

// The daemon gives up, and we stop waiting for its answer, before the filesystem is thawed under it.
constexpr std::chrono::milliseconds kFreezeLimit{20000};
constexpr std::chrono::milliseconds kCreateLimit{15000};

// What programs have written to the device itself is on it afterwards.
void flush_device(const std::string& device)
{
    const ddsnap::UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) {
        throw errno_failure(device + ": cannot be flushed");
    }
}

// What the rotation drops. What is busy stays, and is tried again by the next rotation.
void rotate(Volume& volume, Daemon& daemon, const std::vector<std::uint64_t>& out, Troubles& troubles)
{
    for (const std::uint64_t id : out) {
        try {
            drop_snapshot(volume, daemon, id);
        } catch (const Failure& failure) {
            if (failure.code() == Exit::interrupted) {
                throw;
            }
            troubles.push_back("snapshot " + std::to_string(id) +
                               " cannot be deleted yet; the next rotation tries again: " + failure.what());
        }
    }
}

} // namespace

SnapshotEntry take_consistent(const Volume& volume, Daemon& daemon, const NewSnapshot& wanted)
{
    refuse_half_reverted(volume.paths().state, volume.config().name);
    const std::optional<MountedOrigin> mounted = mounted_origin(volume);
    if (!mounted) {
        flush_device(volume.paths().origin_device);
        return daemon.create(wanted, kCreateLimit);
    }
    Freeze freeze(mounted->path, mapper::find(volume.paths().origin_name)->number, kFreezeLimit);
    SnapshotEntry created = daemon.create(wanted, kCreateLimit);
    if (freeze.thaw()) {
        return created;
    }
    daemon.remove(created.id);
    throw Failure(Exit::failed,
                  volume.what() + ": the snapshot took too long: " + mounted->shown +
                      " was thawed before the snapshot was taken; the snapshot is deleted again",
                  "is the store device stalled or overloaded?");
}

void rotate_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles)
{
    const std::string& state = volume.paths().state;
    attempt(troubles, "the changes that replication needs are not saved",
            [&] { update_bookmarks(volume, daemon); });
    // What is held cannot be deleted; what replication noted before is held.
    attempt(troubles, "the snapshots that replication needs are not held",
            [&] { sync_holds(volume, daemon); });
    std::vector<SnapshotEntry> snapshots = daemon.list();
    attempt(troubles, "snapshots are not mounted", [&] { mount_snapshots(volume, snapshots, troubles); });
    const std::set<std::string> needed = snapshots_in_use(state);
    std::vector<std::uint64_t> out = rotated_out(snapshots, volume.config().schedule);
    std::erase_if(out, [&](std::uint64_t id) {
        return std::any_of(snapshots.begin(), snapshots.end(), [&](const SnapshotEntry& snapshot) {
            return snapshot.id == id && needed.count(snapshot.uuid) > 0;
        });
    });
    std::erase_if(snapshots, [&](const SnapshotEntry& snapshot) {
        return std::find(out.begin(), out.end(), snapshot.id) != out.end();
    });
    attempt(troubles, "the links to snapshots are not renewed",
            [&] { refresh_links(volume, snapshots); }); // before their targets go
    rotate(volume, daemon, out, troubles);
}

} // namespace zumastor
