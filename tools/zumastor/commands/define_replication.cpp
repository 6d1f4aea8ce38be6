// SPDX-License-Identifier: GPL-2.0
// zumastor define, forget, start and stop: sources and targets.
#include <algorithm>
#include <cstdio>

#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/look_and_ask.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/replication/peer.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/state/holds.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/systemd/units.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/samba.h"

namespace zumastor {
namespace {

std::uint64_t period_from(const Args& args)
{
    const auto text = args.get("--period");
    return text ? static_cast<std::uint64_t>(
                      need_integer(*text, "period", 0, static_cast<std::int64_t>(kLongestPeriod)))
                : 0;
}

std::uint64_t rate_from(const Args& args)
{
    const auto text = args.get("--rate-limit");
    const std::uint64_t rate = text ? need_size(*text, "rate limit") : 0;
    if (rate > kHighestRate) { // and the number in VOL.toml is a signed one
        throw Failure(Exit::usage, "rate limit: " + *text + " bytes a second are no limit",
                      "give at most 1024T");
    }
    return rate;
}

// What the administrator wants to know after having said how often.
void tell_period(const std::string& volume, const std::string& role, std::uint64_t period, bool stopped)
{
    if (period > 0) {
        std::printf("a cycle every %llu s%s\n", static_cast<unsigned long long>(period),
                    stopped ? (", but it is stopped: zumastor start " + role + " " + volume).c_str() : "");
    }
}

Target& need_target(VolumeConfig& config, const Args& args)
{
    const HostName host = HostName::need(args.need("HOST"), "HOST");
    for (Target& target : config.targets) {
        if (target.host == host) {
            return target;
        }
    }
    throw Failure(Exit::not_found, "volume " + config.name + " has no target " + host,
                  "see: zumastor status " + config.name + " --full");
}

// The configuration has been changed, as no cycle was to begin any more; a refusal changes it back.
void take_out_or_keep(Volume& volume, const VolumeConfig& now, const VolumeConfig& before)
{
    try {
        take_out_of_use(volume).reset();
    } catch (const Failure&) {
        Troubles troubles;
        save_and_follow(now, before, troubles);
        for (const std::string& trouble : troubles) {
            note(trouble);
        }
        throw;
    }
}

Volume& need_source(Volume& volume)
{
    if (!volume.config().source) {
        throw Failure(Exit::not_found, volume.what() + " has no source",
                      "define it: zumastor define source " + volume.config().name + " HOST");
    }
    return volume;
}

} // namespace

void save_and_follow(const VolumeConfig& before, const VolumeConfig& now, Troubles& troubles)
{
    save_config(now);
    try {
        follow_config(before, now);
    } catch (const Failure& failure) {
        if (failure.code() != Exit::partly) {
            throw;
        }
        troubles.push_back(failure.what() + ("; " + failure.next()));
    }
}

std::optional<HostName> host_from(const Args& args)
{
    const auto text = args.get("HOST");
    return text ? std::optional(HostName::need(*text, "HOST")) : std::nullopt;
}

namespace {

LoginName ssh_user_from(const Args& args, const HostName& host)
{
    const auto text = args.get("--ssh-user");
    LoginName user = text ? LoginName::need(*text, "--ssh-user") : LoginName{};
    check_ssh_user(host, user);
    return user;
}

} // namespace

SourceRole source_from(const std::string& host, const Args& args)
{
    SourceRole source;
    source.host = HostName::need(host, "source");
    if (const auto name = args.get("--name"); name && !name->empty()) {
        source.volume = VolumeName::need(*name);
    }
    source.ssh_user = ssh_user_from(args, source.host);
    return source;
}

Exit define_target(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    VolumeConfig& config = locked.volume.config();
    Target target;
    target.host = HostName::need(args.need("HOST"), "target");
    if (!fits_units(config.name, target.host)) {
        throw Failure(
            Exit::usage,
            "target: '" + target.host +
                "' makes the names of systemd's units too long: most marks count four characters there",
            "~/.ssh/config can give a shorter name");
    }
    if (const auto name = args.get("--name"); name && !name->empty()) {
        target.volume = VolumeName::need(*name);
    }
    target.ssh_user = ssh_user_from(args, target.host);
    target.bytes_per_second = rate_from(args);
    target.compress = !args.has("--uncompressed");
    if (const auto test = args.get("--test"); test && *test != "fullvolume") {
        throw Failure(Exit::usage, "--test " + *test + ": there is only fullvolume");
    }
    target.full = args.has("--test");
    target.period = period_from(args);
    const Target* known = find_target(config, target.host);
    target.stopped = known != nullptr && known->stopped; // all else is as this command says
    if (args.has("--dry-run")) {
        std::printf("would %s target %s of volume %s\n", known != nullptr ? "change" : "add",
                    target.host.c_str(), config.name.c_str());
        return Exit::ok;
    }
    const VolumeConfig before = config;
    std::erase_if(config.targets, [&](const Target& other) { return other.host == target.host; });
    config.targets.push_back(target);
    Troubles troubles;
    save_and_follow(before, config, troubles);
    std::printf("volume %s is sent to %s by: zumastor replicate %s %s\n", config.name.c_str(),
                target.host.c_str(), config.name.c_str(), target.host.c_str());
    tell_period(config.name + " " + target.host, "target", target.period, target.stopped);
    return conclude(troubles);
}

namespace {

struct Overwritable {
    LockedVolume locked;
    std::string question;
};

Overwritable find_overwritable(const Args& args, const HostName& host)
{
    LockedVolume locked = lock_volume(args);
    const Volume& volume = locked.volume;
    const std::string name = volume.config().name;
    refuse_half_reverted(volume.paths().state, name);
    if (!volume.config().source) {
        refuse_if_used(volume);
    }
    std::string question;
    if (volume.config().master || load_replica_state(volume.paths().state).lineage.empty()) {
        question = "what is on volume " + name + " will be overwritten with what " + host + " sends";
    }
    return {std::move(locked), std::move(question)};
}

} // namespace

Exit define_source(const Args& args)
{
    const bool dry = args.has("--dry-run");
    SourceRole source = source_from(args.need("HOST"), args);
    source.mount_snapshots = args.has("--mount-snap");
    source.period = period_from(args);
    source.bytes_per_second = rate_from(args);
    Overwritable found =
        look_and_ask(dry || args.has("--yes"), [&] { return find_overwritable(args, source.host); });
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

Exit forget_target(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    VolumeConfig& config = volume.config();
    const Target target = need_target(config, args);
    if (args.has("--dry-run")) {
        std::printf("would forget target %s of volume %s\n", target.host.c_str(), config.name.c_str());
        return Exit::ok;
    }
    // What cannot be asked ends it before anything is changed.
    (void)load_target_states(volume.paths().state);
    (void)volume.try_daemon();
    const VolumeConfig before = config;
    std::erase_if(config.targets, [&](const Target& other) { return other.host == target.host; });
    Troubles troubles;
    save_and_follow(before, config, troubles);
    end_cycle(volume, target.host);
    for (const TargetState& state : load_target_states(volume.paths().state)) {
        if (state.host == target.host) {
            forget_target_state(volume.paths().state, state.replica);
        }
    }
    forget_cycle(volume.paths().state, target.host);
    if (auto daemon = volume.try_daemon()) {
        drop_replication_snapshots(volume, *daemon, troubles);
    }
    return conclude(troubles);
}

Exit forget_source(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    const std::string& directory = locked.volume.paths().state;
    if (!locked.volume.config().source && !args.has("--dry-run") && forget_former_source(directory)) {
        if (auto daemon = locked.volume.try_daemon()) {
            sync_holds(locked.volume, *daemon);
        }
        std::printf("volume %s is nobody's former replica any more: no snapshot is kept for that\n",
                    locked.volume.config().name.c_str());
        return Exit::ok;
    }
    Volume& volume = need_source(locked.volume);
    Troubles troubles;
    if (!args.has("--dry-run")) {
        refuse_if_used(volume, Except::own_commands);
        const VolumeConfig before = volume.config();
        VolumeConfig after = before;
        after.source.reset();
        save_and_follow(before, after, troubles);
        end_cycle(volume, {});
        take_out_or_keep(volume, after, before);
        forget_cycle(volume.paths().state, {});
    }
    std::printf("volume %s %s no replica any more; its snapshots stay\n", volume.config().name.c_str(),
                args.has("--dry-run") ? "would be" : "is");
    return conclude(troubles);
}

Exit start_source(const Args& args)
{
    Volume volume(load_config(args.need("VOL")));
    need_source(volume);
    if (args.has("--dry-run")) {
        std::printf("would start volume %s and mount its newest snapshot\n", volume.config().name.c_str());
        return Exit::ok;
    }
    {
        LockedVolume locked = lock_volume(args);
        need_source(locked.volume).start_devices();
    }
    Troubles troubles;
    show_received(volume, troubles);
    LockedVolume locked = lock_volume(args);
    VolumeConfig& config = need_source(locked.volume).config();
    const VolumeConfig before = config;
    config.source->stopped = false;
    save_and_follow(before, config, troubles);
    wake_timers(config);
    mark_started(config.name);
    return conclude(troubles);
}

Exit stop_source(const Args& args)
{
    Troubles troubles;
    bool was_stopped = false;
    {
        LockedVolume locked = lock_volume(args);
        VolumeConfig& config = need_source(locked.volume).config();
        refuse_if_used(locked.volume, Except::own_commands);
        if (args.has("--dry-run")) {
            std::printf("would unmount volume %s and its snapshots\n", config.name.c_str());
            return Exit::ok;
        }
        const VolumeConfig before = config;
        was_stopped = config.source->stopped;
        config.source->stopped = true;
        save_and_follow(before, config, troubles);
    }
    end_cycle(Volume(load_config(args.need("VOL"))), {}); // it may wait for the lock
    LockedVolume locked = lock_volume(args);
    VolumeConfig before = locked.volume.config();
    need_source(locked.volume);
    before.source->stopped = was_stopped;
    take_out_or_keep(locked.volume, locked.volume.config(), before);
    return conclude(troubles);
}

namespace {

Exit set_stopped(const Args& args, bool stopped)
{
    LockedVolume locked = lock_volume(args);
    VolumeConfig& config = locked.volume.config();
    const VolumeConfig before = config;
    Target& target = need_target(config, args);
    if (args.has("--dry-run")) {
        std::printf("would %s the cycles of volume %s to %s\n", stopped ? "stop" : "start",
                    config.name.c_str(), target.host.c_str());
        return Exit::ok;
    }
    target.stopped = stopped;
    Troubles troubles;
    save_and_follow(before, config, troubles);
    if (target.period == 0) {
        note(locked.volume.what() + " has no period for " + target.host +
             "; give it one: zumastor define target " + config.name + " " + target.host + " --period SEC");
    }
    return conclude(troubles);
}

} // namespace

Exit start_target(const Args& args) { return set_stopped(args, false); }

Exit stop_target(const Args& args)
{
    const Exit stored = set_stopped(args, true);
    if (!args.has("--dry-run")) {
        end_cycle(Volume(load_config(args.need("VOL"))), *host_from(args)); // it may wait for the lock
    }
    return stored;
}

} // namespace zumastor
