// SPDX-License-Identifier: GPL-2.0
// zumastor reverse: an old master becomes a replica of the one that was promoted in its place.
//
//   ask what HOST has ── unmount ── snapshot of what is here ── replica.json ── configuration: a replica
//   ── origin = newest snapshot that both have ── first cycle, a delta
//
// From the configuration on it is a replica whose origin may differ from its last snapshot: no stream is
// applied to it until reverse, or receive --abort, has gone through. Each step can be repeated.
#include <algorithm>
#include <cstdio>

#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/replication/cycles.h"
#include "tools/zumastor/replication/peer_session.h"
#include "tools/zumastor/replication/verify_session.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/rollback.h"
#include "tools/zumastor/volume/sectors.h"
#include "tools/zumastor/volume/stop.h"

namespace zumastor {
namespace {

struct Reverse : Yes, ProgressOptions, DryRun {
    std::string volume;
    std::optional<std::string> host;
};

// Who is to be followed: a target, or whom this volume was a replica of; HOST chooses.
SourceRole new_source(const Volume& volume, const std::optional<HostName>& host)
{
    const VolumeConfig& config = volume.config();
    std::vector<SourceRole> candidates;
    if (config.source) {
        candidates.push_back(*config.source); // reversed before, and interrupted
    }
    for (const Target& target : config.targets) {
        SourceRole source{target.host, target.volume};
        source.bytes_per_second = target.bytes_per_second; // it is the same link, in the other direction
        source.ssh_user = target.ssh_user;
        candidates.push_back(source);
    }
    if (const auto former = load_former_source(volume.paths().state); former && !config.source) {
        candidates.push_back(former->source);
    }
    if (host) {
        std::erase_if(candidates, [&](const SourceRole& one) { return !one.host.is_meant_by(*host); });
    }
    if (candidates.empty()) {
        throw Failure(Exit::not_found,
                      volume.what() + (host ? " has no target " + *host : std::string(" has no target")),
                      "define the promoted host as a target: zumastor define target " + config.name +
                          " HOST (with --name REMOTEVOL if the volume has another name there), then "
                          "reverse");
    }
    const bool clear =
        config.source || std::all_of(candidates.begin(), candidates.end(),
                                     [&](const auto& one) { return one.host == candidates.front().host; });
    if (!clear) {
        throw Failure(Exit::usage, volume.what() + " has several targets",
                      "name the one that was promoted: zumastor reverse " + config.name + " HOST");
    }
    return candidates.front();
}

VerifyHello ask(const SourceRole& source, const std::string& volume)
{
    Peer peer(source.host, source.ssh_user, {"zumastor", "verify", volume, "--session", "--as", "upstream"});
    return in_session(peer, "see the messages on that host", [&](Pipes pipes) {
        VerifyHello hello = parse_verify_hello(read_line(pipes.from));
        write_line(pipes.to, format(VerifyRequest{}));
        peer.finish();
        return hello;
    });
}

SnapshotEntry need_common(const Volume& volume, Daemon& daemon, const SourceRole& source,
                          const VerifyHello& hello)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    for (auto mine = list.rbegin(); mine != list.rend(); ++mine) {
        if (!mine->squashed &&
            std::find(hello.snapshots.begin(), hello.snapshots.end(), mine->uuid) != hello.snapshots.end()) {
            return *mine;
        }
    }
    throw Failure(Exit::not_found,
                  volume.what() + " and " + source.host + " have no snapshot in common that can be read",
                  "send everything: zumastor define source " + volume.config().name + " " + source.host +
                      " --yes, then: zumastor replicate " + volume.config().name);
}

void refuse_other_replica(const Volume& volume, const SourceRole& source, const VerifyHello& hello)
{
    if (hello.role != "master") {
        throw Failure(Exit::usage, "volume " + hello.volume + " on " + source.host + " is not a master",
                      "promote it first, on that host: zumastor promote " + hello.volume);
    }
    if (volume.config().source && volume.config().source->host != source.host) {
        throw Failure(Exit::usage,
                      volume.what() + " is a replica of " + volume.config().source->host + ", not a master",
                      "change its source: zumastor define source " + volume.config().name + " " +
                          source.host);
    }
}

// What is only here must not be lost by going back to `common`. Another snapshot that holds it is not enough:
// a rotation, or replication, or a full store gives it up.
std::optional<SnapshotEntry> keep_what_is_here(const Volume& volume, Daemon& daemon,
                                               const SnapshotEntry& common)
{
    if (origin_equals(volume, daemon, common)) {
        return std::nullopt;
    }
    return keep_origin(volume, daemon, kReversedKind);
}

void become_replica(Volume& volume, Daemon& daemon, const SourceRole& source, const SnapshotEntry& common)
{
    const std::string& directory = volume.paths().state;
    ReplicaState state = load_replica_state(directory);
    if (state.lineage.empty()) {
        state.lineage = daemon.status().uuid; // it was the first master
    }
    state.last = common.uuid;
    state.reception.reset();
    save_replica_state(directory, state);
    const VolumeConfig before = volume.config();
    volume.config().master.reset();
    volume.config().source = source;
    std::erase_if(volume.config().targets, [&](const Target& t) { return t.host == source.host; });
    Troubles troubles;
    save_and_follow(before, volume.config(), troubles);
    for (const std::string& trouble : troubles) {
        note(trouble);
    }
    for (const TargetState& target : load_target_states(directory)) {
        if (target.host == source.host) {
            forget_target_state(directory, target.replica);
        }
    }
}

bool was_kept_since(const std::vector<SnapshotEntry>& list, const SnapshotEntry& base)
{
    return std::any_of(list.begin(), list.end(), [&](const SnapshotEntry& snapshot) {
        return is_kept(snapshot) && is_pinned(snapshot) && snapshot.epoch > base.epoch;
    });
}

// The origin becomes what the snapshot received last says, or the newest one that both had. A reception that
// has been begun since goes on instead.
void go_back(const Volume& volume, Daemon& daemon)
{
    ReplicaState state = load_replica_state(volume.paths().state);
    const std::vector<SnapshotEntry> list = daemon.list();
    for (const SnapshotEntry& snapshot : list) {
        if (snapshot.uuid == state.last && !snapshot.squashed && !state.reception &&
            !origin_equals(volume, daemon, snapshot)) {
            if (was_kept_since(list, snapshot)) { // what is there may be a mixture, of an interrupted attempt
                roll_back(volume, daemon, state);
            } else {
                take_back(volume, daemon, state);
            }
            return;
        }
    }
}

struct Reversible {
    VolumeLock no_reception;
    LockedVolume locked;
    SourceRole source;
    SnapshotEntry common;
    std::string what;
    std::string question;
};

// The other side is asked first, without a lock: it may take its time. Who it is must be the same then.
Reversible find_reversible(const Reverse& given)
{
    const std::string name = given.volume;
    SourceRole source = new_source(Volume(load_config(name)), host_from(given.host));
    const VerifyHello hello = ask(source, source.volume.empty() ? name : source.volume);
    VolumeLock no_reception(name, "receive");
    LockedVolume locked = lock_volume(given.volume);
    Volume& volume = locked.volume;
    if (new_source(volume, host_from(given.host)) != source) {
        throw Failure(Exit::busy, volume.what() + " was changed by another command meanwhile",
                      "see: zumastor status " + name + "; then repeat this command");
    }
    refuse_other_replica(volume, source, hello);
    refuse_larger_sectors(hello.sector_bytes, sectors_here(volume.config()),
                          "volume " + hello.volume + " on " + source.host, volume.what());
    refuse_if_used(volume);
    if (!given.dry_run) {
        revive_for_unmount(volume);
        volume.start_devices();
    }
    Daemon daemon = volume.daemon();
    SnapshotEntry common = need_common(volume, daemon, source, hello);
    const std::string what = "volume " + name + (given.dry_run ? " would become" : " becomes") +
                             " a replica of " + source.host + ", from snapshot " + std::to_string(common.id) +
                             " on";
    return {std::move(no_reception),
            std::move(locked),
            std::move(source),
            std::move(common),
            what,
            what + "; what was written since then is held in a snapshot of kind " + kReversedKind};
}

// The role is turned round, and the origin holds the newest snapshot that both have. Returns false after a
// dry run.
bool turn_round(const Reverse& given)
{
    const bool dry = given.dry_run;
    Reversible found = look_and_ask(dry || given.yes, [&] { return find_reversible(given); });
    if (dry) {
        std::printf("%s\n", found.what.c_str());
        return false;
    }
    Volume& volume = found.locked.volume;
    const SourceRole& source = found.source;
    const SnapshotEntry& common = found.common;
    Daemon daemon = volume.daemon();
    const auto held = take_out_of_use(volume); // nobody writes until its content is what it is to be
    if (!volume.config().source) {
        const auto kept = keep_what_is_here(volume, daemon, common);
        become_replica(volume, daemon, source, common);
        if (kept) {
            tell_kept(volume.config(), *kept);
        }
    }
    go_back(volume, daemon);
    remove_former_source(volume.paths().state);
    return true;
}

Exit reverse(const Reverse& given)
{
    if (!turn_round(given)) {
        return Exit::ok;
    }
    CycleOptions cycle;
    cycle.shown = given;
    return run_cycles(given.volume, std::nullopt, cycle);
}

constexpr auto kReverseOptions = option_table<Reverse>(kYesOption, kProgressOptions, kDryRunOption);

} // namespace

constexpr CommandSpec kReverse = command<reverse>(
    "reverse", arguments<&Reverse::volume, &Reverse::host>("VOL [HOST]"),
    "Make the old master a replica of the promoted one; only changes are sent.", kReverseOptions,
    Page{"Run this on the old master after its replica was promoted. A snapshot holds "
         "what only the old master has. Then the old master goes back to the newest "
         "snapshot that both sides have, and receives what changed since.",
         "$ zumastor reverse data replica"});

} // namespace zumastor
