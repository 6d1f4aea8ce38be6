// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/snapshot_of_kinds.h"
#include "tools/zumastor/config/troubles.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "snapstore/store.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/state/wanted_kinds.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/snapshots.h"

namespace zumastor {
namespace {

std::string need_tag(const VolumeConfig& config, const std::vector<std::string>& kinds)
{
    for (const std::string& kind : kinds) {
        if (kind == kReplicateKind) {
            throw Failure(Exit::usage, "snapshots of kind '" + kind + "' belong to replication",
                          "choose another kind");
        }
        if (is_kept_kind(kind)) {
            throw Failure(Exit::usage, "snapshots of kind '" + kind + "' hold what a command overwrote",
                          "choose another kind");
        }
        const bool builtin =
            std::find(kBuiltinKinds.begin(), kBuiltinKinds.end(), kind) != kBuiltinKinds.end();
        const bool scheduled = find_kind(config.schedule, kind) != nullptr;
        if (!builtin && !scheduled) {
            std::vector<std::string> known = kBuiltinKinds;
            for (const Kind& other : config.schedule) {
                if (std::find(known.begin(), known.end(), other.name) == known.end()) {
                    known.push_back(other.name);
                }
            }
            throw Failure(Exit::usage, "volume " + config.name + " has no kind of snapshots '" + kind + "'",
                          "there are: " + join(known, ", ") + "; a new one: zumastor define schedule " +
                              config.name + " --custom " + kind + ",N");
        }
        if (!scheduled) {
            note("no " + kind + " snapshots are scheduled for volume " + config.name +
                 ": this one is kept until it is deleted");
        }
    }
    std::string tag = join(kinds, ",");
    if (tag.size() > snapstore::SnapshotInfo::kMaxTag) {
        throw Failure(Exit::usage, "too many kinds for one snapshot: " + tag, "take two snapshots");
    }
    return tag;
}

void print_plan(const Volume& volume, Daemon& daemon, const std::string& tag)
{
    std::vector<SnapshotEntry> after = daemon.list();
    SnapshotEntry planned;
    planned.id = after.empty() ? 0 : after.back().id + 1;
    planned.tag = SnapshotTag::need(tag);
    after.push_back(planned);
    std::printf("would take a snapshot of %s\n", volume.what().c_str());
    for (const std::uint64_t id : rotated_out(after, volume.config().schedule)) {
        std::printf("would delete snapshot %" PRIu64 "\n", id);
    }
}

// A replica has no moments of its own: a kind comes with the next snapshot that is received.
Exit want_kinds(const Volume& volume, const std::vector<std::string>& kinds, bool dry)
{
    const VolumeConfig& config = volume.config();
    if (kinds.empty()) {
        throw Failure(Exit::usage,
                      volume.what() + " is a replica: its snapshots come from " + config.source->host,
                      "ask for the newest: zumastor replicate " + config.name +
                          "; or give a kind for the next snapshot");
    }
    need_tag(config, kinds);
    if (!dry) {
        add_wanted_kinds(volume.paths().state, kinds);
    }
    std::printf("the next snapshot from %s %s %s, too\n", config.source->host.c_str(),
                dry ? "would be" : "will be", join(kinds, " and ").c_str());
    return Exit::ok;
}

} // namespace

Exit snapshot_of_kinds(const std::string& name, const std::vector<std::string>& kinds, bool dry)
{
    LockedVolume locked = lock_volume(name);
    Volume& volume = locked.volume;
    if (volume.config().source) {
        return want_kinds(volume, kinds, dry);
    }
    const std::string tag = need_tag(volume.config(), kinds);
    Daemon daemon = volume.daemon();
    if (!mapper::find(volume.paths().origin_name)) {
        throw Failure(Exit::missing, volume.what() + " is not started",
                      "start it: zumastor start volume " + volume.config().name);
    }
    if (dry) {
        print_plan(volume, daemon, tag);
        return Exit::ok;
    }
    check_interrupt();
    const SnapshotEntry created = take_consistent(volume, daemon, {SnapshotTag::need(tag)});
    std::printf("%" PRIu64 "\n", created.id);
    std::fflush(stdout);
    Troubles troubles;
    attempt(troubles, "snapshots are not rotated", [&] { rotate_snapshots(volume, daemon, troubles); });
    return conclude(troubles);
}

} // namespace zumastor
