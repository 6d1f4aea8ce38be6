// SPDX-License-Identifier: GPL-2.0
// zumastor define, forget, start and stop: sources and targets.
#include <algorithm>
#include <cstdio>

#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands.h"
#include "tools/zumastor/replica.h"
#include "tools/zumastor/replica_state.h"
#include "tools/zumastor/target_state.h"

namespace zumastor {
namespace {

Volume& need_source(Volume& volume)
{
    if (!volume.config().source) {
        throw Failure(Exit::not_found, volume.what() + " has no source",
                      "define it: zumastor define source " + volume.config().name + " HOST");
    }
    return volume;
}

} // namespace

// "HOST" or "HOST:PORT"; an IPv6 address with a port is "[ADDRESS]:PORT".
SourceRole parse_source(const std::string& text, const std::string& volume)
{
    SourceRole source;
    source.host = text;
    const std::size_t colon = text.rfind(':');
    const bool port_follows =
        colon != std::string::npos && (text.find(':') == colon || (colon > 0 && text[colon - 1] == ']'));
    if (port_follows) {
        source.host = text.substr(0, colon);
        source.port = static_cast<std::uint64_t>(need_integer(text.substr(colon + 1), "port", 1, 65535));
        std::erase_if(source.host, [](char c) { return c == '[' || c == ']'; });
    }
    check_host(source.host, "source");
    source.volume = volume;
    if (!source.volume.empty()) {
        check_volume_name(source.volume);
    }
    return source;
}

Exit define_target(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    VolumeConfig& config = locked.volume.config();
    Target target;
    target.host = args.need("HOST");
    check_host(target.host, "target");
    target.volume = args.get("--name").value_or("");
    if (!target.volume.empty()) {
        check_volume_name(target.volume);
    }
    if (const auto rate = args.get("--rate-limit")) {
        target.bytes_per_second = need_size(*rate, "rate limit");
    }
    target.compress = !args.has("--uncompressed");
    const bool known = find_target(config, target.host) != nullptr;
    if (args.has("--dry-run")) {
        std::printf("would %s target %s of volume %s\n", known ? "change" : "add", target.host.c_str(),
                    config.name.c_str());
        return Exit::ok;
    }
    std::erase_if(config.targets, [&](const Target& other) { return other.host == target.host; });
    config.targets.push_back(target);
    save_config(config);
    std::printf("volume %s is sent to %s by: zumastor replicate %s %s\n", config.name.c_str(),
                target.host.c_str(), config.name.c_str(), target.host.c_str());
    return Exit::ok;
}

Exit define_source(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    const std::string& name = volume.config().name;
    SourceRole source = parse_source(args.need("HOST"), args.get("--name").value_or(""));
    source.mount_snapshots = args.has("--mount-snap");
    if (volume.config().master) {
        volume.refuse_if_used();
    }
    if (args.has("--dry-run")) {
        std::printf("would make volume %s a replica of %s\n", name.c_str(), source.host.c_str());
        return Exit::ok;
    }
    if (load_replica_state(volume.paths().state).lineage.empty()) {
        confirm("what is on volume " + name + " will be overwritten with what " + source.host + " sends",
                args.has("--yes"));
    }
    if (volume.config().master) {
        revive_for_unmount(volume);
        volume.unmount_all();
        volume.config().master.reset();
    }
    volume.config().source = source;
    save_config(volume.config());
    volume.start_devices();
    std::printf("volume %s is a replica; ask for the first snapshot: zumastor replicate %s\n", name.c_str(),
                name.c_str());
    return Exit::ok;
}

Exit forget_target(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = locked.volume;
    VolumeConfig& config = volume.config();
    const Target* target = find_target(config, args.need("HOST"));
    if (target == nullptr) {
        throw Failure(Exit::not_found, volume.what() + " has no target " + args.need("HOST"),
                      "see: zumastor status " + config.name + " --full");
    }
    if (args.has("--dry-run")) {
        std::printf("would forget target %s of volume %s\n", target->host.c_str(), config.name.c_str());
        return Exit::ok;
    }
    for (const TargetState& state : load_target_states(volume.paths().state)) {
        if (state.host == target->host) {
            forget_target_state(volume.paths().state, state.replica);
        }
    }
    std::erase_if(config.targets, [&](const Target& other) { return other.host == args.need("HOST"); });
    save_config(config);
    Troubles troubles;
    if (auto daemon = volume.try_daemon()) {
        drop_replication_snapshots(volume, *daemon, troubles);
    }
    return conclude(troubles);
}

Exit forget_source(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = need_source(locked.volume);
    if (!args.has("--dry-run")) {
        volume.refuse_if_used();
        revive_for_unmount(volume);
        volume.unmount_all();
        volume.config().source.reset();
        save_config(volume.config());
    }
    std::printf("volume %s %s no replica any more; its snapshots stay\n", volume.config().name.c_str(),
                args.has("--dry-run") ? "would be" : "is");
    return Exit::ok;
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
        const VolumeLock lock(volume.config().name);
        volume.start_devices();
    }
    show_received(volume);
    return Exit::ok;
}

Exit stop_source(const Args& args)
{
    LockedVolume locked = lock_volume(args);
    Volume& volume = need_source(locked.volume);
    volume.refuse_if_used();
    if (args.has("--dry-run")) {
        std::printf("would unmount volume %s and its snapshots\n", volume.config().name.c_str());
        return Exit::ok;
    }
    volume.unmount_all();
    return Exit::ok;
}

} // namespace zumastor
