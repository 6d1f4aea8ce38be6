// SPDX-License-Identifier: GPL-2.0
// zumastor release: a snapshot that was kept of what was overwritten is deleted.
#include <cinttypes>
#include <cstdio>

#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

struct Release : Yes, DryRun {
    std::string volume;
    std::string snapshot;
};

struct Releasable {
    LockedVolume locked;
    SnapshotEntry kept;
    std::string question;
};

Releasable find_releasable(const Release& given)
{
    LockedVolume locked = lock_volume(given.volume);
    const Volume& volume = locked.volume;
    refuse_half_reverted(volume.paths().state, volume.config().name); // it may be the way back
    SnapshotEntry kept = find_snapshot(volume.daemon().list(), volume.config(), given.snapshot);
    const std::string what = volume.what() + ": " + numbered(kept);
    if (!is_kept(kept)) {
        throw Failure(Exit::usage, what + " is not held by revert, reverse or receive --abort",
                      "schedules delete their own snapshots; to delete any other: ddsnap delete " +
                          volume.paths().server_socket + " " + std::to_string(kept.id));
    }
    return {std::move(locked), std::move(kept),
            what + " will be deleted; its content may exist nowhere else"};
}

Exit release_kept(const Release& given)
{
    const bool dry = given.dry_run;
    Releasable found = look_and_ask(dry || given.yes, [&] { return find_releasable(given); });
    Volume& volume = found.locked.volume;
    const std::uint64_t id = found.kept.id;
    if (dry) {
        std::printf("would delete snapshot %" PRIu64 " of %s\n", id, volume.what().c_str());
        return Exit::ok;
    }
    Daemon daemon = volume.daemon();
    std::vector<SnapshotEntry> list = daemon.list();
    std::erase_if(list, [&](const SnapshotEntry& other) { return other.id == id; });
    refresh_links(volume, list); // before their target goes
    drop_snapshot(volume, daemon, id);
    return Exit::ok;
}

constexpr auto kReleaseOptions = option_table<Release>(
    flag<&Release::yes>("-y,--yes", "do not ask before the snapshot is deleted"), kDryRunOption);

} // namespace

constexpr CommandSpec kRelease = command<release_kept>(
    "release", arguments<&Release::volume, &Release::snapshot>("VOL SNAP"),
    "Delete a held snapshot: what revert, reverse or receive --abort overwrote.", kReleaseOptions,
    Page{"No schedule deletes a held snapshot, and a full store does not give it up: "
         "its content may exist nowhere else. The doctor lists the held snapshots.",
         "$ zumastor release data 17"});

} // namespace zumastor
