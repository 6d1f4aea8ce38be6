// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/view/volume_view.h"

#include <unistd.h>

#include <algorithm>
#include <map>

#include "tools/common/known.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

constexpr std::size_t kMostShown = 64; // characters of a file's name that is no volume's

void set_state(VolumeView& view, const std::string& state, const std::string& problem = {},
               const std::string& next = {})
{
    view.state = state;
    view.problem = problem;
    view.next = next;
}

// The first of its devices that is not there; empty if all are. Throws if that cannot be known.
std::string missing_device(const VolumeConfig& config)
{
    for (const std::string* path : {&config.origin, &config.store, &config.meta}) {
        if (!path->empty() && !look_at(*path).need()) {
            return *path;
        }
    }
    return {};
}

void gather_snapshots(const Volume& volume, Daemon& daemon, VolumeView& view)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    std::map<std::uint64_t, std::vector<std::string>> links;
    for (const auto& [link, id] : kind_links(list, view.config.schedule)) {
        links[id].push_back(link);
    }
    for (const SnapshotEntry& entry : list) {
        SnapshotView snapshot{entry, {}, {}, links[entry.id]};
        if (mapper::find(volume.paths().snapshot_name(entry.id))) {
            snapshot.device = volume.paths().snapshot_device(entry.id);
            snapshot.mounted_at = mount_of_snapshot(volume, entry.id).value_or("");
        }
        view.snapshots.push_back(std::move(snapshot));
    }
}

void look_at_running(const Volume& volume, VolumeView& view)
{
    const bool connected =
        std::any_of(view.store->clients.begin(), view.store->clients.end(),
                    [](const ClientEntry& client) { return client.origin && client.connected; });
    if (view.store->failed) {
        const std::string what = view.store->failure.empty() ? "an I/O error" : view.store->failure;
        set_state(view, "failed",
                  "the store is out of service (" + what + "); " +
                      (view.store->given_up ? "all snapshots are lost, writes go on without the store"
                                            : "writes to the volume that need the store fail"),
                  "see the daemon's log; repair or replace the device, then stop and start the volume");
    } else if (view.device.empty()) {
        set_state(view, "stopped", "its daemon runs, but there is no device", start_command(volume.config()));
    } else if (!connected) {
        set_state(view, "disconnected", "its device is not connected to the daemon",
                  "see the kernel log: dmesg");
    } else if (const auto revert = load_revert(volume.paths().state)) {
        set_state(view, "half_reverted", "a revert to snapshot " + revert->to + " was interrupted",
                  "finish it: zumastor revert " + volume.config().name + " " + revert->to);
    } else {
        set_state(view, "running");
    }
}

} // namespace

std::string start_command(const VolumeConfig& config)
{
    return std::string("zumastor start ") +
           (config.master   ? "master "
            : config.source ? "source "
                            : "volume ") +
           config.name;
}

VolumeView view_or_problem(const std::string& name)
{
    try {
        return view_of(name);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        VolumeView view;
        view.config.name = VolumeName::from(name).value_or(VolumeName{});
        view.name = shown(name, kMostShown);
        set_state(view, kUnreadable, failure.what(),
                  failure.next().empty() ? "see: zumastor doctor " + name : failure.next());
        return view;
    }
}

namespace {

// Each throws if what it asks does not answer.
void gather(const Volume& volume, VolumeView& view)
{
    if (mapper::find(volume.paths().origin_name)) {
        view.device = volume.paths().origin_device;
        view.mount = origin_mount(volume);
    }
    std::optional<Daemon> daemon = volume.try_daemon();
    if (daemon) {
        VolumeEntry store = daemon->status();
        gather_snapshots(volume, *daemon, view);
        view.store = std::move(store);
        look_at_running(volume, view);
    } else if (!view.device.empty()) {
        set_state(view, "daemon_down", "its daemon does not run: writes wait",
                  start_command(volume.config()));
    } else if (const std::string missing = missing_device(volume.config()); !missing.empty()) {
        set_state(view, "device_missing", "it is stopped, and " + missing + " is not there",
                  "attach the device; if the volume does not start then: " + start_command(volume.config()) +
                      "; until then do not write to its other devices: the snapshots would be damaged");
    } else if (!mapper::ask_target().need()) {
        set_state(view, "module_missing", "it is stopped, and the kernel module dm-ddsnap is not loaded",
                  "modprobe dm-ddsnap, then: " + start_command(volume.config()));
    } else {
        set_state(view, "stopped", "it is stopped", start_command(volume.config()));
    }
}

KnownSnapshots known_snapshots(const VolumeView& view)
{
    if (!view.store) {
        return KnownSnapshots::unknown(Failure(Exit::missing, view.state == kUnknown
                                                                  ? "its daemon does not answer"
                                                                  : "its daemon does not run"));
    }
    std::vector<SnapshotEntry> list;
    for (const SnapshotView& snapshot : view.snapshots) {
        list.push_back(snapshot.entry);
    }
    return KnownSnapshots::there(std::move(list));
}

} // namespace

VolumeView view_of(const std::string& name)
{
    const Volume volume(load_config(name));
    VolumeView view;
    view.config = volume.config();
    view.name = view.config.name;
    try {
        gather(volume, view);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        set_state(view, kUnknown, std::string("its state cannot be found out: ") + failure.what(),
                  ::geteuid() != 0         ? "sudo zumastor status " + view.name
                  : failure.next().empty() ? "see the kernel log (dmesg) and the daemon's"
                                           : failure.next());
    }
    view.replication = gather_replication(volume, known_snapshots(view));
    return view;
}

} // namespace zumastor
