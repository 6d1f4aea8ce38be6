// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/kept.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/look_and_ask.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/volume/rollback.h"

namespace zumastor {
namespace {

std::string numbered(const SnapshotEntry& kept)
{
    return "snapshot " + std::to_string(kept.id) + (kept.name.empty() ? "" : " (" + kept.name + ")");
}

// As `release` takes it: one that was kept by an older version has no name.
std::string word_for(const SnapshotEntry& kept)
{
    return kept.name.empty() ? std::to_string(kept.id) : kept.name;
}

std::string how_to_see(const VolumeConfig& config)
{
    const Volume volume(config);
    const std::string& name = config.name;
    if ((config.master && config.master->mount_snapshots) ||
        (config.source && config.source->mount_snapshots)) {
        return "it is mounted below " + volume.snapshot_directory();
    }
    return config.source
               ? "to see it: zumastor define source " + name + " " + config.source->host +
                     " --mount-snap, with the options that it has, then zumastor start source " + name
               : "to see it: zumastor define master " + name;
}

} // namespace

bool is_kept_kind(const std::string& kind)
{
    return kind == kUndoKind || kind == kReversedKind || kind == kTakenBackKind;
}

bool is_kept(const SnapshotEntry& snapshot)
{
    const std::vector<std::string> kinds = kinds_of(snapshot);
    return std::any_of(kinds.begin(), kinds.end(), is_kept_kind);
}

bool is_pinned(const SnapshotEntry& snapshot)
{
    return snapshot.priority == kNeverSquashed && !snapshot.squashed;
}

SnapshotEntry keep_origin(const Volume& volume, Daemon& daemon, const std::string& kind)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    const auto newest = std::find_if(list.rbegin(), list.rend(),
                                     [](const SnapshotEntry& s) { return is_kept(s) && is_pinned(s); });
    if (newest != list.rend() && origin_equals(volume, daemon, *newest)) {
        return *newest;
    }
    return take_consistent(volume, daemon,
                           {SnapshotTag::need(kind),
                            SnapshotName::from(kind + "-" + format_directory(now_ns())).value(),
                            kNeverSquashed});
}

std::string describe_kept(const VolumeConfig& config, const SnapshotEntry& kept)
{
    return "what only volume " + config.name + " held is kept in " + numbered(kept) +
           ", which nothing gives up, however full the store";
}

std::string advice_on_kept(const VolumeConfig& config, const SnapshotEntry& kept)
{
    return how_to_see(config) + "; when it is not needed any more: zumastor release " + config.name + " " +
           word_for(kept);
}

void tell_kept(const VolumeConfig& config, const SnapshotEntry& kept)
{
    note(describe_kept(config, kept) + "; " + advice_on_kept(config, kept));
}

namespace {

struct Releasable {
    LockedVolume locked;
    SnapshotEntry kept;
    std::string question;
};

Releasable find_releasable(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    const Volume& volume = locked.volume;
    refuse_half_reverted(volume.paths().state, volume.config().name); // it may be the way back
    SnapshotEntry kept = find_snapshot(volume.daemon().list(), volume.config(), args.need("SNAP"));
    const std::string what = volume.what() + ": " + numbered(kept);
    if (!is_kept(kept)) {
        throw Failure(Exit::usage, what + " was not kept by revert, reverse or receive --abort",
                      "schedules drop theirs; any other: ddsnap delete " + volume.paths().server_socket +
                          " " + std::to_string(kept.id));
    }
    return {std::move(locked), std::move(kept), what + " is deleted; what it holds may be nowhere else"};
}

} // namespace

Exit release_kept(const Args& args)
{
    const bool dry = args.has("--dry-run");
    Releasable found = look_and_ask(dry || args.has("--yes"), [&] { return find_releasable(args); });
    Volume& volume = found.locked.volume;
    const std::uint64_t id = found.kept.id;
    if (dry) {
        std::printf("would delete snapshot %" PRIu64 " of %s\n", id, volume.what().c_str());
        return Exit::ok;
    }
    Daemon daemon = volume.daemon();
    std::vector<SnapshotEntry> list = daemon.list();
    std::erase_if(list, [&](const SnapshotEntry& other) { return other.id == id; });
    volume.refresh_links(list); // before their target goes
    volume.drop_snapshot(daemon, id);
    return Exit::ok;
}

} // namespace zumastor
