// SPDX-License-Identifier: GPL-2.0
// The part of Volume that mounts.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/config/snapshot_options.h"
#include "tools/zumastor/host/beneath.h"
#include "tools/zumastor/host/exports.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/host/nfs.h"
#include "tools/zumastor/state/revert_state.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/volume.h"

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

} // namespace

std::optional<Mount> Volume::origin_mount() const
{
    const auto device = mapper::find(paths_.origin_name);
    if (!device) {
        return std::nullopt;
    }
    const std::vector<Mount> mounts = mounts_of(device->number);
    const std::string ours = canonical(mount_point());
    const auto found =
        std::find_if(mounts.begin(), mounts.end(), [&](const Mount& mount) { return mount.target == ours; });
    if (found != mounts.end()) {
        return *found;
    }
    return mounts.empty() ? std::nullopt : std::optional(mounts.front());
}

std::optional<std::string> Volume::mount_of_snapshot(std::uint64_t id) const
{
    const auto device = mapper::find(paths_.snapshot_name(id));
    if (!device) {
        return std::nullopt;
    }
    const std::string top = canonical(snapshot_directory());
    for (const Mount& mount : mounts_of(device->number)) {
        if (is_below(mount.target, top)) {
            return mount.target;
        }
    }
    return std::nullopt;
}

// Without mounts in it the directory of snapshots can become a mount that .snapshot is a copy of, and
// .snapshot can go: what is mounted in there already would be hidden, or stay in copies of .snapshot
// elsewhere.
void Volume::empty_snapshot_directory(const std::vector<SnapshotEntry>& snapshots, Troubles& troubles)
{
    try {
        unmount_snapshots();
    } catch (const Failure&) {
        mount_snapshots(snapshots, troubles);
        refresh_links(snapshots);
        throw;
    }
}

// In the volume's root, where its users may write.
void Volume::show_dot_snapshot(Troubles& troubles) const
{
    if (dot_snapshot_is_shown()) {
        return;
    }
    try {
        Beneath(mount_point()).bind_tree(snapshot_directory(), kDotSnapshot);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        troubles.push_back(what() + ": its snapshots are not shown in .snapshot: " + failure.what() +
                           (failure.next().empty() ? "" : "; " + failure.next()));
    }
}

// A mount of the directory of snapshots itself: it shows the filesystem that the directory is on.
bool Volume::is_snapshot_directory(const Mount& mount) const
{
    const fs::path directory = canonical(snapshot_directory());
    return mount.device == device_at(all_mounts(), directory.parent_path().string());
}

bool Volume::dot_snapshot_is_shown() const
{
    const std::string place = dot_snapshot();
    const std::vector<Mount> mounts = all_mounts();
    return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) {
        return mount.target == place && is_snapshot_directory(mount);
    });
}

void Volume::hide_dot_snapshot() const
{
    unmount_ours(dot_snapshot(), [this](const Mount& mount) { return is_snapshot_directory(mount); });
}

bool Volume::mount_all(Troubles& troubles)
{
    refuse_half_reverted(paths_.state, config_.name);
    const MasterRole role = config_.master.value_or(MasterRole{});
    const std::string target = mount_point();
    if (const auto mount = origin_mount(); !mount || mount->target != canonical(target)) {
        const auto type = filesystem_on(paths_.origin_device);
        if (!type) {
            return false;
        }
        mount_filesystem(paths_.origin_device, target, *type, config_.mount_options);
    }
    if (!role.mount_snapshots) {
        unmount_snapshots();
        return true;
    }
    const std::vector<SnapshotEntry> snapshots = daemon().list();
    if (role.dot_snapshot && !is_mount_point(snapshot_directory())) {
        empty_snapshot_directory(snapshots, troubles);
        make_shared_mount(snapshot_directory());
    }
    if (!role.dot_snapshot && dot_snapshot_is_shown()) {
        empty_snapshot_directory(snapshots, troubles);
    }
    mount_snapshots(snapshots, troubles);
    refresh_links(snapshots);
    if (role.dot_snapshot) {
        show_dot_snapshot(troubles);
    }
    return true;
}

// With .snapshot the snapshots go first: what they are copied to in other mount namespaces goes only with
// them, and the origin's own copies there stay as long as anything is mounted on them.
void Volume::unmount_origin()
{
    if (dot_snapshot_is_shown()) {
        take_snapshots_away();
        hide_dot_snapshot();
    }
    unmount_ours(canonical(mount_point()), [this](const Mount& mount) { return is_ours(mount); });
}

// Of the origin, or of a snapshot.
bool Volume::is_ours(const Mount& mount) const
{
    std::vector<std::string> names{paths_.origin_name};
    for (const std::uint64_t id : mapped_snapshots()) {
        names.push_back(paths_.snapshot_name(id));
    }
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        const auto device = mapper::find(name);
        return device && is_mount_of(mount, device->number);
    });
}

void Volume::unmount_all()
{
    unmount_origin();
    unmount_snapshots();
}

void Volume::take_snapshots_away()
{
    refresh_links({});
    for (const std::uint64_t id : mapped_snapshots()) {
        take_away(id);
    }
}

void Volume::unmount_snapshots()
{
    take_snapshots_away();
    if (dot_snapshot_is_shown()) {
        hide_dot_snapshot();
    }
    const std::string top = canonical(snapshot_directory()); // it may have been made a mount for .snapshot
    unmount_ours(top, [this](const Mount& mount) { return is_snapshot_directory(mount); });
}

void Volume::mount_snapshot(const SnapshotEntry& snapshot, const std::string& directory,
                            Troubles& troubles) const
{
    const std::string device = paths_.snapshot_device(snapshot.id);
    const std::string label = "snapshot " + std::to_string(snapshot.id);
    const std::string target = snapshot_directory() + "/" + directory;
    try {
        if (const auto type = filesystem_on(device)) {
            fs::create_directories(snapshot_directory());
            const ddsnap::UniqueFd place = Beneath(snapshot_directory()).directory(directory);
            mount_filesystem_at(place, target, device, *type, snapshot_mount_options(*type, config_));
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

bool Volume::wants_snapshot_mounts() const noexcept
{
    return (config_.master && config_.master->mount_snapshots) ||
           (config_.source && config_.source->mount_snapshots);
}

// Snapshots' devices that nobody sees any more. One that is still read stays, and goes the next time.
void Volume::unmap_unused(std::uint64_t shown) const
{
    for (const std::uint64_t id : mapped_snapshots()) {
        const auto device = mapper::find(paths_.snapshot_name(id));
        if (id != shown && device && device->open_count == 0) {
            unmap_snapshot(id, mapper::Udev::later); // nobody looks for it there any more
        }
    }
}

void Volume::show_snapshot(const SnapshotEntry& snapshot)
{
    map_snapshot(attach_devices(), snapshot, mapper::Udev::later); // it is mounted, whatever links there are
    const std::string device = paths_.snapshot_device(snapshot.id);
    const std::string target = mount_point();
    const std::string ours = canonical(target);
    for (const Mount& mount : mounts_of(mapper::find(paths_.snapshot_name(snapshot.id))->number)) {
        if (mount.target == ours) {
            return;
        }
    }
    const auto before = uppermost(ours);
    const bool replaces = before && is_ours(*before);
    // Mounted aside first: if that fails the old one stays, and the switch itself takes no time.
    const std::string aside = paths_.runtime + "/incoming";
    clear_mounts(aside); // an attempt that was broken off
    if (!mount_as_before(device, aside, ours, config_)) {
        const auto type = filesystem_on(device);
        if (!type) {
            note("snapshot " + std::to_string(snapshot.id) + " holds no filesystem: its device is " + device);
            return;
        }
        mount_filesystem(device, aside, *type, snapshot_mount_options(*type, config_));
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
    unmap_unused(snapshot.id);
}

bool Volume::shows(std::uint64_t id) const
{
    const auto device = mapper::find(paths_.snapshot_name(id));
    if (!device) {
        return false;
    }
    const std::vector<Mount> mounts = mounts_of(device->number);
    const std::string ours = canonical(mount_point());
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const Mount& mount) { return mount.target == ours; }) ||
           !filesystem_on(paths_.snapshot_device(id));
}

void Volume::hide_snapshot(std::uint64_t id)
{
    const auto device = mapper::find(paths_.snapshot_name(id));
    if (!device) {
        return;
    }
    const std::string ours = canonical(mount_point());
    refuse_if_seen_elsewhere(*this, id);
    unmount_ours(ours, [&](const Mount& mount) { return is_mount_of(mount, device->number); });
    take_away(id);
}

void Volume::mount_snapshots(const std::vector<SnapshotEntry>& snapshots, Troubles& troubles)
{
    if (!wants_snapshot_mounts()) {
        return;
    }
    std::set<std::uint64_t> readable;
    for (const SnapshotEntry& snapshot : snapshots) {
        if (!snapshot.squashed) {
            readable.insert(snapshot.id);
        }
    }
    for (const std::uint64_t id : mapped_snapshots()) {
        try {
            if (readable.count(id) == 0) {
                take_away(id);
            }
        } catch (const Failure& failure) {
            troubles.push_back("snapshot " + std::to_string(id) +
                               " has no content any more, but: " + failure.what());
        }
    }
    prepare_snapshot_directory(snapshot_directory(), mount_point());
    const StorePaths paths = attach_devices();
    const std::map<std::uint64_t, std::string> directories = directory_names(snapshots);
    for (const SnapshotEntry& snapshot : snapshots) {
        if (!snapshot.squashed && !mount_of_snapshot(snapshot.id)) {
            attempt(troubles, "snapshot " + std::to_string(snapshot.id) + " is not mounted", [&] {
                map_snapshot(paths, snapshot);
                mount_snapshot(snapshot, directories.at(snapshot.id), troubles);
            });
        }
    }
    follow_exports(snapshots, troubles);
}

void Volume::follow_exports(const std::vector<SnapshotEntry>& snapshots, Troubles& troubles) const
{
    try {
        if (!config_.master || !config_.master->over_nfs) {
            end_exports(config_.name);
            return;
        }
        std::vector<ExportedSnapshot> mounted;
        for (const SnapshotEntry& snapshot : snapshots) {
            if (const auto target = mount_of_snapshot(snapshot.id)) {
                mounted.push_back({*target, snapshot.uuid});
            }
        }
        export_snapshots(config_.name, need_export_clients(canonical(mount_point())), mounted);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        troubles.push_back(std::string("snapshots over NFS: ") + failure.what());
        if (failure.code() == Exit::not_found) {
            end_exports(config_.name); // who may not see the volume any more does not see its past either
        }
    }
}

void Volume::refresh_links(const std::vector<SnapshotEntry>& snapshots) const
{
    const fs::path top = snapshot_directory();
    std::map<std::string, std::string> wanted;
    for (const auto& [link, id] : kind_links(snapshots, config_.schedule)) {
        if (const auto target = mount_of_snapshot(id)) {
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

// Unmounted and unmapped. Throws Exit::busy if it is in use.
void Volume::take_away(std::uint64_t id) const
{
    if (const auto target = mount_of_snapshot(id)) {
        unmount_exported(config_.name, *target);
        ::rmdir(target->c_str()); // an empty directory left behind does no harm
    }
    unmap_snapshot(id);
}

void Volume::drop_snapshot(Daemon& daemon, std::uint64_t id)
{
    refuse_if_seen_elsewhere(*this, id);
    take_away(id);
    daemon.remove(id);
}

} // namespace zumastor
