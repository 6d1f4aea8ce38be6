// SPDX-License-Identifier: GPL-2.0
// zumastor snapshot: freeze, snapshot, thaw; then mount, rotate, link.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <set>

#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/host/freeze.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/replication/transfer.h"
#include "tools/zumastor/state/holds.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/state/wanted_kinds.h"
#include "tools/zumastor/volume/bookmark.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/kept.h"

namespace zumastor {
namespace {

// The daemon gives up, and we stop waiting for its answer, before the filesystem is thawed under it.
constexpr std::chrono::milliseconds kFreezeLimit{20000};
constexpr std::chrono::milliseconds kCreateLimit{15000};

std::string need_tag(const VolumeConfig& config, const std::vector<std::string>& kinds)
{
    for (const std::string& kind : kinds) {
        if (kind == kReplicateKind) {
            throw Failure(Exit::usage, "snapshots of kind '" + kind + "' are replication's own",
                          "choose another kind");
        }
        if (is_kept_kind(kind)) {
            throw Failure(Exit::usage, "snapshots of kind '" + kind + "' are those of what was overwritten",
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
    if (tag.size() > kMaxTag) {
        throw Failure(Exit::usage, "too many kinds for one snapshot: " + tag, "take two snapshots");
    }
    return tag;
}

// What programs have written to the device itself is on it afterwards.
void flush_device(const std::string& device)
{
    const ddsnap::UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) {
        throw errno_failure(device + ": cannot be flushed");
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
                      " had to be thawed before it was taken; it is deleted again",
                  "is the store device stalled or overloaded?");
}

namespace {

// What the rotation drops. What is busy stays, and is tried again by the next rotation.
void rotate(Volume& volume, Daemon& daemon, const std::vector<std::uint64_t>& out, Troubles& troubles)
{
    for (const std::uint64_t id : out) {
        try {
            volume.drop_snapshot(daemon, id);
        } catch (const Failure& failure) {
            if (failure.code() == Exit::interrupted) {
                throw;
            }
            troubles.push_back("snapshot " + std::to_string(id) +
                               " is due to be deleted; the next rotation tries again: " + failure.what());
        }
    }
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

} // namespace

void rotate_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles)
{
    const std::string& state = volume.paths().state;
    attempt(troubles, "what replication needs is not noted", [&] { update_bookmarks(volume, daemon); });
    // What is held cannot be deleted; what replication noted before is held.
    attempt(troubles, "what replication needs is not held", [&] { sync_holds(volume, daemon); });
    std::vector<SnapshotEntry> snapshots = daemon.list();
    attempt(troubles, "snapshots are not mounted", [&] { volume.mount_snapshots(snapshots, troubles); });
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
    attempt(troubles, "the links", [&] { volume.refresh_links(snapshots); }); // before their targets go
    rotate(volume, daemon, out, troubles);
}

namespace {

// A replica has no moments of its own: a kind comes with the next snapshot that is received.
Exit want_kinds(const Volume& volume, const Args& args)
{
    const VolumeConfig& config = volume.config();
    const std::vector<std::string> kinds = args.all("KIND");
    if (kinds.empty()) {
        throw Failure(Exit::usage,
                      volume.what() + " is a replica: its snapshots come from " + config.source->host,
                      "ask for the newest: zumastor replicate " + config.name +
                          "; or give a kind that the next one is to be, too");
    }
    need_tag(config, kinds);
    if (!args.has("--dry-run")) {
        add_wanted_kinds(volume.paths().state, kinds);
    }
    std::printf("the next snapshot from %s %s %s, too\n", config.source->host.c_str(),
                args.has("--dry-run") ? "would be" : "will be", join(kinds, " and ").c_str());
    return Exit::ok;
}

} // namespace

Exit take_snapshot(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    if (volume.config().source) {
        return want_kinds(volume, args);
    }
    const std::string tag = need_tag(volume.config(), args.all("KIND"));
    Daemon daemon = volume.daemon();
    if (!mapper::find(volume.paths().origin_name)) {
        throw Failure(Exit::missing, volume.what() + " is not started",
                      "start it: zumastor start volume " + volume.config().name);
    }
    if (args.has("--dry-run")) {
        print_plan(volume, daemon, tag);
        return Exit::ok;
    }
    check_interrupt();
    const SnapshotEntry created = take_consistent(volume, daemon, {SnapshotTag::need(tag)});
    std::printf("%" PRIu64 "\n", created.id);
    std::fflush(stdout);
    Troubles troubles;
    attempt(troubles, "no snapshot is rotated", [&] { rotate_snapshots(volume, daemon, troubles); });
    return conclude(troubles);
}

} // namespace zumastor
