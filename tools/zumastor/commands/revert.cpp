// SPDX-License-Identifier: GPL-2.0
// zumastor revert: the origin becomes what a snapshot holds.
//
//   take a snapshot of what is there ──► remember the revert ──► write, through the origin device, what
//   differs ──► flush ──► forget the revert
//
// Every step can be repeated: a crash in the middle leaves a volume that refuses to be mounted until the
// same command, or one to the snapshot taken first, has come to its end. Other snapshots keep their content,
// as with any write to the origin.
#include <fcntl.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tools/common/block_device.h"
#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/stream/devices.h"
#include "tools/stream/write_back.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/rollback.h"

namespace zumastor {
namespace {

struct Revert : Yes, DryRun {
    std::string volume;
    std::string snapshot;
    bool no_undo = false;
};

void refuse_to_revert(const Volume& volume)
{
    if (volume.config().source) {
        throw Failure(Exit::usage,
                      volume.what() + " is a replica: its content comes from " + volume.config().source->host,
                      "make it a master first: zumastor promote " + volume.config().name);
    }
    if (!mapper::find(volume.paths().origin_name)) {
        throw Failure(Exit::missing, volume.what() + " is not started",
                      "start it: zumastor start volume " + volume.config().name);
    }
    refuse_if_origin_used(volume);
}

SnapshotEntry find_goal(const Volume& volume, Daemon& daemon, const std::string& text)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    SnapshotEntry to = find_snapshot(list, volume.config(), text);
    if (to.squashed) {
        throw Failure(Exit::not_found,
                      volume.what() + ": snapshot " + std::to_string(to.id) +
                          " has no content any more: it was given up when the store was full",
                      "choose another snapshot: zumastor status " + volume.config().name);
    }
    if (const std::uint64_t now = daemon.status().origin_sectors; to.sectors > now) {
        throw Failure(Exit::failed,
                      volume.what() + " has " + format_size(now * kSectorBytes) + ", but snapshot " +
                          std::to_string(to.id) + " has " + format_size(to.sectors * kSectorBytes),
                      "enlarge the volume first: zumastor resize " + volume.config().name + " --origin " +
                          std::to_string(to.sectors * kSectorBytes));
    }
    return to;
}

// What the origin held before the first attempt; a later one would be a snapshot of a mixture.
std::string undo_snapshot(const Volume& volume, Daemon& daemon, const Revert& given)
{
    if (const auto begun = load_revert(volume.paths().state)) {
        return begun->undo;
    }
    return given.no_undo ? "" : keep_origin(volume, daemon, kUndoKind).uuid.str();
}

void write_content(const Volume& volume, Daemon& daemon, const SnapshotEntry& to)
{
    try {
        write_back(volume, daemon, to);
    } catch (const NoSpace& error) {
        throw Failure(Exit::store_full,
                      volume.what() + ": " + error.what() +
                          ", and the snapshots of a revert are not given up",
                      "delete other snapshots or enlarge the store, then repeat: zumastor revert " +
                          volume.config().name + " " + to.uuid);
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what(),
                      "repeat: zumastor revert " + volume.config().name + " " + to.uuid);
    }
}

void tell_reverted(const Volume& volume, const std::vector<SnapshotEntry>& list, const SnapshotEntry& to,
                   const std::string& undo)
{
    std::printf("volume %s has the content of snapshot %" PRIu64, volume.config().name.c_str(), to.id);
    for (const SnapshotEntry& snapshot : list) {
        if (snapshot.uuid == undo) {
            std::printf("; its former content is in snapshot %" PRIu64 "\n", snapshot.id);
            std::fflush(stdout);
            tell_kept(volume.config(), snapshot);
            return;
        }
    }
    std::printf("\n");
}

struct Revertible {
    LockedVolume locked;
    SnapshotEntry to;
    std::string question;
};

Revertible find_revertible(const Revert& given)
{
    LockedVolume locked = lock_volume(given.volume);
    const Volume& volume = locked.volume;
    refuse_to_revert(volume);
    Daemon daemon = volume.daemon();
    SnapshotEntry to = find_goal(volume, daemon, given.snapshot);
    std::string question;
    if (given.no_undo && !load_revert(volume.paths().state)) {
        // With the number: another name's snapshot may be another one by the time of the answer.
        question = volume.what() + " gets the content of snapshot " + std::to_string(to.id) +
                   "; what is only in the volume now, and in no snapshot, is lost";
    }
    return {std::move(locked), std::move(to), std::move(question)};
}

Exit revert(const Revert& given)
{
    const bool dry = given.dry_run;
    const Revertible found = look_and_ask(dry || given.yes, [&] { return find_revertible(given); });
    const Volume& volume = found.locked.volume;
    const SnapshotEntry& to = found.to;
    Daemon daemon = volume.daemon();
    if (dry) {
        std::printf("would write at most %s: what has changed since snapshot %" PRIu64 "\n",
                    format_size(bytes_to_write_back(daemon, to)).c_str(), to.id);
        return Exit::ok;
    }
    // Nobody mounts it, or puts anything else on it, before this is done.
    const auto held =
        open_exclusive(need_block_device(volume.paths().origin_device, "origin"), O_RDONLY, "origin");
    const std::string undo = undo_snapshot(volume, daemon, given);
    begin_revert(volume.paths().state, daemon, to.uuid, undo);
    write_content(volume, daemon, to);
    end_revert(volume.paths().state, daemon);
    tell_reverted(volume, daemon.list(), to, undo);
    return Exit::ok;
}

constexpr auto kRevertOptions =
    option_table<Revert>(flag<&Revert::no_undo>("--no-undo", "take no snapshot of what is overwritten"),
                         kYesOption, kDryRunOption);

} // namespace

constexpr CommandSpec kRevert = command<revert>(
    "revert", arguments<&Revert::volume, &Revert::snapshot>("VOL SNAP"),
    "Set the volume back to a snapshot; a new snapshot holds the present content.", kRevertOptions,
    Page{"The volume must be started, but not mounted. Only what changed is written. "
         "First a snapshot of the present content is taken, and held until it is "
         "released. After an interruption the volume is not mounted until the same "
         "command has finished.",
         "$ zumastor stop master data\n"
         "$ zumastor revert data hourly.3\n"
         "$ zumastor start master data"});

} // namespace zumastor
