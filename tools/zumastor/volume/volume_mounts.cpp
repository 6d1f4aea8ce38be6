// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/volume_mounts.h"
#include "tools/zumastor/config/troubles.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/host/beneath.h"
#include "tools/zumastor/host/exports.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/host/nfs.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/snapshot_mounts.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

// Links are replaced at once: who follows one finds the old snapshot or the new one, never nothing.
void replace_link(const fs::path& link, const std::string& target)
{
    std::error_code error;
    if (fs::read_symlink(link, error) == target && !error) {
        return;
    }
    const fs::path temporary = link.parent_path() / ("." + link.filename().string() + ".new");
    fs::remove(temporary, error);
    fs::create_symlink(target, temporary, error);
    if (!error) {
        fs::rename(temporary, link, error);
    }
    if (error) {
        throw Failure(Exit::failed, "link " + link.string() + ": " + error.message());
    }
}

void clear_mounts(const std::string& target)
{
    while (is_mount_point(target)) {
        unmount(target);
    }
}

// Mounts as what is at `shown` now: to look for what a device holds takes longer than to mount it. False if
// nothing is there, or that does not do.
bool mount_as_before(const std::string& device, const std::string& target, const std::string& shown,
                     const VolumeConfig& config)
{
    for (const Mount& mount : all_mounts()) {
        if (mount.target == shown && mount.source.starts_with("/dev/mapper/")) {
            try {
                mount_filesystem(device, target, mount.type, snapshot_mount_options(mount.type, config));
                return true;
            } catch (const Failure& failure) {
                if (failure.code() == Exit::interrupted) {
                    throw;
                }
                return false; // another filesystem now; if not, the next attempt tells what is wrong
            }
        }
    }
    return false;
}

// What is seen at a mount point; of several mounts the last one of the list is the uppermost.
std::optional<Mount> uppermost(const std::string& place)
{
    std::optional<Mount> found;
    for (Mount& mount : all_mounts()) {
        if (mount.target == place) {
            found = std::move(mount);
        }
    }
    return found;
}

// Without mounts in it the directory of snapshots can become a mount that .snapshot is a copy of, and
// .snapshot can go: what is mounted in there already would be hidden, or stay in copies of .snapshot
// elsewhere.
void empty_snapshot_directory(const Volume& volume, const std::vector<SnapshotEntry>& snapshots,
                              Troubles& troubles)
{
    try {
        unmount_snapshots(volume);
    } catch (const Failure&) {
        mount_snapshots(volume, snapshots, troubles);
        refresh_links(volume, snapshots);
        throw;
    }
}

// A mount of the directory of snapshots itself: it shows the filesystem that the directory is on.
bool is_snapshot_directory(const Volume& volume, const Mount& mount)
{
    const fs::path directory = canonical(volume.snapshot_directory());
    return mount.device == device_at(all_mounts(), directory.parent_path().string());
}

bool dot_snapshot_is_shown(const Volume& volume)
{
    const std::string place = volume.dot_snapshot();
    const std::vector<Mount> mounts = all_mounts();
    return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) {
        return mount.target == place && is_snapshot_directory(volume, mount);
    });
}

// In the volume's root, where its users may write.
void show_dot_snapshot(const Volume& volume, Troubles& troubles)
{
    if (dot_snapshot_is_shown(volume)) {
        return;
    }
    try {
        Beneath(volume.mount_point()).bind_tree(volume.snapshot_directory(), kDotSnapshot);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        troubles.push_back(volume.what() + ": its snapshots are not shown in .snapshot: " + failure.what() +
                           (failure.next().empty() ? "" : "; " + failure.next()));
    }
}

void hide_dot_snapshot(const Volume& volume)
{
    unmount_ours(volume.dot_snapshot(),
                 [&](const Mount& mount) { return is_snapshot_directory(volume, mount); });
}

// Of the origin, or of a snapshot.
bool is_ours(const Volume& volume, const Mount& mount)
{
    std::vector<std::string> names{volume.paths().origin_name};
    for (const std::uint64_t id : volume.mapped_snapshots()) {
        names.push_back(volume.paths().snapshot_name(id));
    }
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        const auto device = mapper::find(name);
        return device && is_mount_of(mount, device->number);
    });
}

// Unmounted and unmapped. Throws Exit::busy if it is in use.
void take_away(const Volume& volume, std::uint64_t id)
{
    if (const auto target = mount_of_snapshot(volume, id)) {
        unmount_exported(volume.config().name, *target);
        ::rmdir(target->c_str()); // an empty directory left behind does no harm
    }
    volume.unmap_snapshot(id);
}

void take_snapshots_away(const Volume& volume)
{
    refresh_links(volume, {});
    for (const std::uint64_t id : volume.mapped_snapshots()) {
        take_away(volume, id);
    }
}

void mount_snapshot(const Volume& volume, const SnapshotEntry& snapshot, const std::string& directory,
                    Troubles& troubles)
{
    const std::string device = volume.paths().snapshot_device(snapshot.id);
    const std::string label = "snapshot " + std::to_string(snapshot.id);
    const std::string target = volume.snapshot_directory() + "/" + directory;
    try {
        if (const auto type = filesystem_on(device)) {
            fs::create_directories(volume.snapshot_directory());
            const ddsnap::UniqueFd place = Beneath(volume.snapshot_directory()).directory(directory);
            mount_filesystem_at(place, target, device, *type, snapshot_mount_options(*type, volume.config()));
        } else {
            note(label + " holds no filesystem: its device is " + device);
        }
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        ::rmdir(target.c_str());
        troubles.push_back(label + " is taken, but not mounted: " + failure.what());
    }
}

bool wants_snapshot_mounts(const Volume& volume)
{
    return (volume.config().master && volume.config().master->mount_snapshots) ||
           (volume.config().source && volume.config().source->mount_snapshots);
}

// Snapshots' devices that nobody sees any more. One that is still read stays, and goes the next time.
void unmap_unused(const Volume& volume, std::uint64_t shown)
{
    for (const std::uint64_t id : volume.mapped_snapshots()) {
        const auto device = mapper::find(volume.paths().snapshot_name(id));
        if (id != shown && device && device->open_count == 0) {
            volume.unmap_snapshot(id, mapper::Udev::later); // nobody looks for it there any more
        }
    }
}

void follow_exports(const Volume& volume, const std::vector<SnapshotEntry>& snapshots, Troubles& troubles)
{
    try {
        if (!volume.config().master || !volume.config().master->over_nfs) {
            end_exports(volume.config().name);
            return;
        }
        std::vector<ExportedSnapshot> mounted;
        for (const SnapshotEntry& snapshot : snapshots) {
            if (const auto target = mount_of_snapshot(volume, snapshot.id)) {
                mounted.push_back({*target, snapshot.uuid});
            }
        }
        export_snapshots(volume.config().name, need_export_clients(canonical(volume.mount_point())), mounted);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        troubles.push_back(std::string("snapshots over NFS: ") + failure.what());
        if (failure.code() == Exit::not_found) {
            end_exports(
                volume.config().name); // who may not see the volume any more does not see its past either
        }
    }
}

} // namespace

std::optional<Mount> origin_mount(const Volume& volume)
{
    const auto device = mapper::find(volume.paths().origin_name);
    if (!device) {
        return std::nullopt;
    }
    const std::vector<Mount> mounts = mounts_of(device->number);
    const std::string ours = canonical(volume.mount_point());
    const auto found =
        std::find_if(mounts.begin(), mounts.end(), [&](const Mount& mount) { return mount.target == ours; });
    if (found != mounts.end()) {
        return *found;
    }
    return mounts.empty() ? std::nullopt : std::optional(mounts.front());
}

std::optional<std::string> mount_of_snapshot(const Volume& volume, std::uint64_t id)
{
    const auto device = mapper::find(volume.paths().snapshot_name(id));
    if (!device) {
        return std::nullopt;
    }
    const std::string top = canonical(volume.snapshot_directory());
    for (const Mount& mount : mounts_of(device->number)) {
        if (is_below(mount.target, top)) {
            return mount.target;
        }
    }
    return std::nullopt;
}

bool mount_all(const Volume& volume, Troubles& troubles)
{
    refuse_half_reverted(volume.paths().state, volume.config().name);
    const MasterRole role = volume.config().master.value_or(MasterRole{});
    const std::string target = volume.mount_point();
    if (const auto mount = origin_mount(volume); !mount || mount->target != canonical(target)) {
        const auto type = filesystem_on(volume.paths().origin_device);
        if (!type) {
            return false;
        }
        mount_filesystem(volume.paths().origin_device, target, *type, volume.config().mount_options);
    }
    if (!role.mount_snapshots) {
        unmount_snapshots(volume);
        return true;
    }
    const std::vector<SnapshotEntry> snapshots = volume.daemon().list();
    if (role.dot_snapshot && !is_mount_point(volume.snapshot_directory())) {
        empty_snapshot_directory(volume, snapshots, troubles);
        make_shared_mount(volume.snapshot_directory());
    }
    if (!role.dot_snapshot && dot_snapshot_is_shown(volume)) {
        empty_snapshot_directory(volume, snapshots, troubles);
    }
    mount_snapshots(volume, snapshots, troubles);
    refresh_links(volume, snapshots);
    if (role.dot_snapshot) {
        show_dot_snapshot(volume, troubles);
    }
    return true;
}

// With .snapshot the snapshots go first: what they are copied to in other mount namespaces goes only with
// them, and the origin's own copies there stay as long as anything is mounted on them.
void unmount_origin(const Volume& volume)
{
    if (dot_snapshot_is_shown(volume)) {
        take_snapshots_away(volume);
        hide_dot_snapshot(volume);
    }
    unmount_ours(canonical(volume.mount_point()), [&](const Mount& mount) { return is_ours(volume, mount); });
}

void unmount_all(const Volume& volume)
{
    unmount_origin(volume);
    unmount_snapshots(volume);
}

void unmount_snapshots(const Volume& volume)
{
    take_snapshots_away(volume);
    if (dot_snapshot_is_shown(volume)) {
        hide_dot_snapshot(volume);
    }
    const std::string top =
        canonical(volume.snapshot_directory()); // it may have been made a mount for .snapshot
    unmount_ours(top, [&](const Mount& mount) { return is_snapshot_directory(volume, mount); });
}

void show_snapshot(const Volume& volume, const SnapshotEntry& snapshot)
{
    volume.map_snapshot(volume.attach_devices(), snapshot,
                        mapper::Udev::later); // it is mounted, whatever links there are
    const std::string device = volume.paths().snapshot_device(snapshot.id);
    const std::string target = volume.mount_point();
    const std::string ours = canonical(target);
    for (const Mount& mount : mounts_of(mapper::find(volume.paths().snapshot_name(snapshot.id))->number)) {
        if (mount.target == ours) {
            return;
        }
    }
    const auto before = uppermost(ours);
    const bool replaces = before && is_ours(volume, *before);
    // Mounted aside first: if that fails the old one stays, and the switch itself takes no time.
    const std::string aside = volume.paths().runtime + "/incoming";
    clear_mounts(aside); // an attempt that was broken off
    if (!mount_as_before(device, aside, ours, volume.config())) {
        const auto type = filesystem_on(device);
        if (!type) {
            note("snapshot " + std::to_string(snapshot.id) + " holds no filesystem: its device is " + device);
            return;
        }
        mount_filesystem(device, aside, *type, snapshot_mount_options(*type, volume.config()));
    }
    try {
        if (replaces) {
            replace_mount(aside, ours);
        } else {
            bind_tree(aside, target);
        }
    } catch (const Failure&) {
        clear_mounts(aside); // else the snapshot could never be deleted
        throw;
    }
    unmount(aside);
    renew_nfs_exports();
    unmap_unused(volume, snapshot.id);
}

bool shows_snapshot(const Volume& volume, std::uint64_t id)
{
    const auto device = mapper::find(volume.paths().snapshot_name(id));
    if (!device) {
        return false;
    }
    const std::vector<Mount> mounts = mounts_of(device->number);
    const std::string ours = canonical(volume.mount_point());
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const Mount& mount) { return mount.target == ours; }) ||
           !filesystem_on(volume.paths().snapshot_device(id));
}

void hide_snapshot(const Volume& volume, std::uint64_t id)
{
    const auto device = mapper::find(volume.paths().snapshot_name(id));
    if (!device) {
        return;
    }
    const std::string ours = canonical(volume.mount_point());
    refuse_if_seen_elsewhere(volume, id);
    unmount_ours(ours, [&](const Mount& mount) { return is_mount_of(mount, device->number); });
    take_away(volume, id);
}

void mount_snapshots(const Volume& volume, const std::vector<SnapshotEntry>& snapshots, Troubles& troubles)
{
    if (!wants_snapshot_mounts(volume)) {
        return;
    }
    std::set<std::uint64_t> readable;
    for (const SnapshotEntry& snapshot : snapshots) {
        if (!snapshot.squashed) {
            readable.insert(snapshot.id);
        }
    }
    for (const std::uint64_t id : volume.mapped_snapshots()) {
        try {
            if (readable.count(id) == 0) {
                take_away(volume, id);
            }
        } catch (const Failure& failure) {
            troubles.push_back("snapshot " + std::to_string(id) +
                               " has no content any more, but: " + failure.what());
        }
    }
    prepare_snapshot_directory(volume.snapshot_directory(), volume.mount_point());
    const StorePaths paths = volume.attach_devices();
    const std::map<std::uint64_t, std::string> directories = directory_names(snapshots);
    for (const SnapshotEntry& snapshot : snapshots) {
        if (!snapshot.squashed && !mount_of_snapshot(volume, snapshot.id)) {
            attempt(troubles, "snapshot " + std::to_string(snapshot.id) + " is not mounted", [&] {
                volume.map_snapshot(paths, snapshot);
                mount_snapshot(volume, snapshot, directories.at(snapshot.id), troubles);
            });
        }
    }
    follow_exports(volume, snapshots, troubles);
}

void refresh_links(const Volume& volume, const std::vector<SnapshotEntry>& snapshots)
{
    const fs::path top = volume.snapshot_directory();
    std::map<std::string, std::string> wanted;
    for (const auto& [link, id] : kind_links(snapshots, volume.config().schedule)) {
        if (const auto target = mount_of_snapshot(volume, id)) {
            wanted[link] = fs::path(*target).filename().string();
        }
    }
    for (const auto& [link, target] : wanted) {
        replace_link(top / link, target);
    }
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(top, error)) {
        const std::string name = entry.path().filename().string();
        if (entry.is_symlink() && is_kind_link(name) && wanted.count(name) == 0) {
            std::error_code gone;
            fs::remove(entry.path(), gone);
        }
    }
}

void drop_snapshot(const Volume& volume, Daemon& daemon, std::uint64_t id)
{
    refuse_if_seen_elsewhere(volume, id);
    take_away(volume, id);
    daemon.remove(id);
}

} // namespace zumastor
