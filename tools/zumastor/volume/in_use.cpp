// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/config/troubles.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include "tools/common/block_device.h"
#include "tools/common/failure.h"
#include "tools/common/mount_table.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/beneath.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/host/nfs.h"
#include "tools/zumastor/volume/shown_snapshot.h"
#include "tools/zumastor/volume/stop.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;

constexpr std::chrono::milliseconds kSettleLimit{10000};
constexpr std::chrono::milliseconds kUdevLeaves{2000};
constexpr int kClosingPollMs = 20; // a device's last closing has no event that could be waited for

const std::string kByNfsClients = "by NFS clients: ";
const std::string kEndThatUse = "end that use, then try again";

std::vector<std::string> device_names(const Volume& volume)
{
    std::vector<std::string> names{volume.paths().origin_name};
    for (const std::uint64_t id : volume.mapped_snapshots()) {
        names.push_back(volume.paths().snapshot_name(id));
    }
    return names;
}

// udev opens a device for a moment when something has happened to it. How often it is open when udev has done
// its part, if that is more than `explained`; else anything up to that.
int settled_count(const std::string& name, int explained)
{
    const auto count = [&] {
        const auto device = mapper::find(name);
        return device ? device->open_count : 0;
    };
    int now = count();
    if (now <= explained) {
        return now;
    }
    if (!find_in_path("udevadm").empty()) { // its result does not matter: the count does
        (void)run_program({"udevadm", "settle", "--timeout=5"}, kSettleLimit);
    }
    const auto deadline = std::chrono::steady_clock::now() + kUdevLeaves;
    for (now = count(); now > explained && std::chrono::steady_clock::now() < deadline; now = count()) {
        check_interrupt();
        ::poll(nullptr, 0, kClosingPollMs);
    }
    return now;
}

Failure used_by(const Volume& volume, const std::vector<std::string>& users)
{
    const bool nfs = std::any_of(users.begin(), users.end(),
                                 [](const std::string& user) { return user.starts_with(kByNfsClients); });
    return Failure(Exit::busy, volume.what() + ": in use: " + join(users, "; "),
                   nfs ? kEndThatUse +
                             "; files that NFS clients have forgotten are closed when the NFS server is "
                             "stopped (rpc.nfsd 0)"
                       : kEndThatUse);
}

class Inspection {
public:
    Inspection(const Volume& volume, const std::vector<std::string>& names)
        : spaces_(mount_namespaces()), mount_point_(canonical(volume.mount_point())),
          snapshots_(canonical(volume.snapshot_directory())), dot_(volume.dot_snapshot())
    {
        for (const std::string& name : names) {
            if (const auto device = mapper::find(name)) {
                devices_.emplace(name, *device);
                names_.emplace(device->number, name);
            }
        }
        directories_ =
            device_at(spaces_.front().mounts, std::filesystem::path(snapshots_).parent_path().string());
        for (const Mount& mount : spaces_.front().mounts) {
            if (is_ours(mount)) {
                ours_.insert(mount.id);
            }
        }
    }

    InUse look(Except except)
    {
        look_at_mounts_here();
        look_at_mounts_elsewhere();
        std::set<dev_t> numbers;
        for (const auto& [number, name] : names_) {
            numbers.insert(number);
            if (const auto clients = nfs_clients_on(number); !clients.empty()) {
                add(name, kByNfsClients + join(clients, ", "));
            }
        }
        for (const auto& [number, use] : stacked_on(numbers)) {
            add(names_.at(number), "/dev/mapper/" + names_.at(number) + " is " + use);
        }
        look_at_processes(except);
        look_at_counts();
        return found_;
    }

    void look_at_mounts_elsewhere()
    {
        const auto concerned = [&](const Mount& mount) { return device_of(mount).has_value(); };
        for (const Elsewhere& copy : staying(spaces_, concerned, ours_)) {
            const std::string name = *device_of(*copy.mount);
            add(name, "/dev/mapper/" + name + " is mounted at " + copy.mount->target +
                          " in the mount namespace of " + describe_process(copy.space->process));
        }
    }

    const InUse& found() const noexcept { return found_; }
    const std::vector<MountNamespace>& spaces() const noexcept { return spaces_; }

    // As is_mount_of(), for many.
    std::optional<std::string> device_of(const Mount& mount) const
    {
        auto found = names_.find(mount.device);
        if (struct stat info{}; found == names_.end() && major(mount.device) == 0 &&
                                mount.source.starts_with("/dev/") &&
                                ::stat(mount.source.c_str(), &info) == 0 && S_ISBLK(info.st_mode)) {
            found = names_.find(info.st_rdev);
        }
        return found == names_.end() ? std::nullopt : std::optional(found->second);
    }

private:
    void add(const std::string& device, const std::string& user)
    {
        found_.devices.insert(device);
        found_.users.push_back(user);
    }

    // A command that takes the volume's mounts away takes these. The directory of snapshots, and .snapshot,
    // are mounts of a directory.
    bool is_ours(const Mount& mount) const
    {
        return ((mount.target == snapshots_ || mount.target == dot_) && mount.device == directories_) ||
               (device_of(mount) && (mount.target == mount_point_ || is_below(mount.target, snapshots_) ||
                                     is_below(mount.target, dot_)));
    }

    void look_at_mounts_here()
    {
        std::map<int, std::string> own;
        for (const Mount& mount : spaces_.front().mounts) {
            const auto name = device_of(mount);
            if (ours_.count(mount.id) != 0) {
                own.emplace(mount.id, name.value_or(devices_.empty() ? "" : devices_.begin()->first));
                if (name) {
                    mounted_.insert(*name);
                }
            } else if (name) {
                add(*name, "/dev/mapper/" + *name + " is mounted at " + mount.target);
            }
        }
        for (const Mount& mount : spaces_.front().mounts) {
            if (const auto below = own.find(mount.parent); below != own.end() && own.count(mount.id) == 0) {
                add(below->second, mount.source + " is mounted at " + mount.target + ", on the volume");
            }
        }
    }

    void look_at_processes(Except except)
    {
        std::map<dev_t, std::string> names = names_;
        for (const Mount& mount : spaces_.front().mounts) { // btrfs has another number for its files
            struct stat root {};
            if (const auto name = device_of(mount); name && ::stat(mount.target.c_str(), &root) == 0) {
                names.emplace(root.st_dev, *name);
            }
        }
        std::set<dev_t> numbers;
        for (const auto& [number, name] : names) {
            numbers.insert(number);
        }
        std::set<std::pair<int, std::string>> told;
        for (const FileUse& use : files_in_use(numbers)) {
            const std::string& name = names.at(use.number);
            if (use.device && except == Except::own_commands && is_own_command(use.process)) {
                ++tolerated_[name];
            } else if (told.emplace(use.process, name).second) {
                add(name, describe({use}).front() + (use.device ? ", /dev/mapper/" + name : ""));
            }
        }
    }

    // Whatever the names say, the kernel has counted.
    void look_at_counts()
    {
        for (const auto& [name, device] : devices_) {
            if (found_.devices.count(name) != 0) {
                continue;
            }
            const int explained = static_cast<int>(mounted_.count(name)) + tolerated_[name];
            if (device.open_count <= explained) {
                continue;
            }
            if (settled_count(name, explained) > explained) {
                add(name, "/dev/mapper/" + name + " is open, but its user cannot be seen");
            }
        }
    }

    static bool is_own_command(int process)
    {
        return read_text("/proc/" + std::to_string(process) + "/comm") == "zumastor\n";
    }

    std::map<std::string, mapper::Info> devices_;
    std::map<dev_t, std::string> names_; // of the same
    std::vector<MountNamespace> spaces_;
    std::string mount_point_;
    std::string snapshots_;
    std::string dot_;
    dev_t directories_ = 0; // the filesystem that the directory of snapshots is on
    std::set<int> ours_;
    std::set<std::string> mounted_; // by us
    std::map<std::string, int> tolerated_;
    InUse found_;
};

// A mount namespace without a process lives on if its file is mounted, or open.
std::vector<std::string> kept_namespaces()
{
    std::vector<std::string> kept;
    const std::vector<MountNamespace> spaces = mount_namespaces();
    for (const MountNamespace& space : spaces) {
        for (const Mount& mount : space.mounts) {
            if (mount.type == "nsfs" && mount.root.starts_with("mnt:[") &&
                std::none_of(spaces.begin(), spaces.end(), [&](const MountNamespace& other) {
                    return mount.root == "mnt:[" + std::to_string(other.number) + "]";
                })) {
                kept.push_back(mount.target);
            }
        }
    }
    return kept;
}

// The origin's device, opened by us alone. Our own mounts are gone.
UniqueFd need_for_ourselves(const Volume& volume)
{
    const std::string& name = volume.paths().origin_name;
    if (!mapper::find(name)) {
        return UniqueFd();
    }
    UniqueFd held(::open(volume.paths().origin_device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    if (!held && errno != EBUSY) {
        throw errno_failure(volume.paths().origin_device);
    }
    if (held && settled_count(name, 1) <= 1) {
        return held;
    }
    held.reset();
    InUse now = who_uses(volume);
    const std::vector<std::string> kept = kept_namespaces();
    if (!kept.empty()) {
        now.users.push_back("perhaps it is mounted in a namespace without a process, which is kept by " +
                            join(kept, ", "));
    }
    if (now.users.empty()) {
        now.users.push_back(volume.paths().origin_device + " was open until just now");
    }
    throw used_by(volume, now.users);
}

// What our own mounts of a volume are, to be made again.
struct ShownMounts {
    bool at_mount_point = false;
    bool snapshots = false;
};

ShownMounts shown_now(const Volume& volume)
{
    ShownMounts shown;
    const Inspection now(volume, device_names(volume));
    const std::string mount_point = canonical(volume.mount_point());
    for (const Mount& mount : now.spaces().front().mounts) {
        shown.at_mount_point =
            shown.at_mount_point || (mount.target == mount_point && now.device_of(mount).has_value());
    }
    for (const std::uint64_t id : volume.mapped_snapshots()) {
        shown.snapshots = shown.snapshots || mount_of_snapshot(volume, id).has_value();
    }
    return shown;
}

void show_again(Volume& volume, const ShownMounts& shown)
{
    Troubles troubles;
    Daemon daemon = volume.daemon();
    if (volume.config().source && shown.at_mount_point) {
        show_newest(volume, daemon);
    } else if (shown.at_mount_point) {
        mount_all(volume, troubles);
    }
    if (shown.snapshots) {
        const std::vector<SnapshotEntry> snapshots = daemon.list();
        mount_snapshots(volume, snapshots, troubles);
        refresh_links(volume, snapshots);
    }
    for (const std::string& trouble : troubles) {
        report(trouble);
    }
}

} // namespace

InUse who_uses(const Volume& volume, Except except)
{
    return Inspection(volume, device_names(volume)).look(except);
}

void refuse_if_used(const Volume& volume, Except except)
{
    if (const InUse now = who_uses(volume, except); !now.users.empty()) {
        throw used_by(volume, now.users);
    }
}

void refuse_if_origin_used(const Volume& volume)
{
    const auto device = mapper::find(volume.paths().origin_name);
    if (!device || device->open_count == 0) {
        return;
    }
    if (const auto mount = origin_mount(volume)) {
        throw Failure(Exit::busy, volume.what() + ": its origin is mounted at " + mount->target,
                      volume.config().source
                          ? "a replica mounts its snapshots, not its origin; unmount it: umount " +
                                mount->target
                          : "unmount it: zumastor stop master " + volume.config().name +
                                ", or umount where it was mounted by hand");
    }
    Inspection inspection(volume, {volume.paths().origin_name});
    if (const InUse now = inspection.look(Except::nobody); !now.users.empty()) {
        throw used_by(volume, now.users);
    }
}

void refuse_if_mount_point_used(const Volume& volume)
{
    const std::string place = canonical(volume.mount_point());
    std::vector<std::string> names = device_names(volume);
    const std::vector<Mount> mounts = all_mounts();
    const bool all = std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) {
        return mount.target == volume.dot_snapshot(); // then the snapshots go, too
    });
    std::erase_if(names, [&](const std::string& name) {
        const auto device = mapper::find(name);
        return !all && std::none_of(mounts.begin(), mounts.end(), [&](const Mount& mount) {
            return device && mount.target == place && is_mount_of(mount, device->number);
        });
    });
    if (const InUse now = Inspection(volume, names).look(Except::nobody); !now.users.empty()) {
        throw used_by(volume, now.users);
    }
}

void refuse_if_seen_elsewhere(const Volume& volume, std::uint64_t id)
{
    Inspection inspection(volume, {volume.paths().snapshot_name(id)});
    inspection.look_at_mounts_elsewhere();
    if (!inspection.found().users.empty()) {
        throw Failure(Exit::busy, "in use: " + join(inspection.found().users, "; "), kEndThatUse);
    }
}

UniqueFd take_out_of_use(Volume& volume)
{
    refuse_if_used(volume);
    revive_for_unmount(volume);
    const ShownMounts shown = shown_now(volume);
    try {
        unmount_all(volume);
        return need_for_ourselves(volume);
    } catch (const Failure&) {
        try {
            show_again(volume, shown);
        } catch (const Failure& failure) { // why it had to be mounted again is what counts
            report(volume.what() + " is not mounted again: " + failure.what(), failure.next());
        }
        throw;
    }
}

void cut_off(const Volume& volume, const InUse& in_use)
{
    for (const std::string& name : in_use.devices) {
        const auto device = mapper::find(name);
        if (!device) {
            continue;
        }
        mapper::cut_off(name);
        for (const Mount& mount : mounts_of(device->number)) {
            if (is_below(mount.target, canonical(volume.snapshot_directory())) ||
                mount.target == canonical(volume.mount_point())) {
                detach_mount(mount.target);
            }
        }
    }
    for (const std::string& user : in_use.users) {
        note(volume.what() + ": this user is cut off, and gets errors from now on: " + user);
    }
}

std::optional<MountedOrigin> mounted_origin(const Volume& volume)
{
    if (const auto mount = origin_mount(volume)) {
        return MountedOrigin{mount->target, UniqueFd(), mount->target};
    }
    const auto origin = mapper::find(volume.paths().origin_name);
    if (!origin || origin->open_count == 0) {
        return std::nullopt;
    }
    std::string where;
    for (const MountNamespace& space : mount_namespaces()) {
        for (const Mount& mount : space.mounts) {
            if (!is_mount_of(mount, origin->number)) {
                continue;
            }
            where = mount.target + " in the mount namespace of " + describe_process(space.process);
            UniqueFd directory = directory_in_root(space.process, mount.target);
            struct stat found {};
            if (directory && ::fstat(directory.get(), &found) == 0 &&
                (found.st_dev == origin->number || mount.type == "btrfs")) {
                const std::string path = path_of(directory);
                return MountedOrigin{path, std::move(directory), where};
            }
        }
    }
    if (!where.empty()) {
        throw Failure(Exit::failed,
                      volume.what() + " is mounted at " + where + ", where it cannot be frozen from here",
                      "mount it here, too: zumastor start master " + volume.config().name);
    }
    return std::nullopt;
}

} // namespace zumastor
