// SPDX-License-Identifier: GPL-2.0
#include "tools/common/block_device.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include <blkid/blkid.h>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;
using ddsnap::UniqueFd;

fs::path sysfs(dev_t number) { return "/sys/dev/block/" + format_number(number); }

// The device that `number` is a partition of, or `number` itself.
std::string whole_disk(dev_t number)
{
    std::error_code error;
    fs::path path = fs::canonical(sysfs(number), error);
    if (look_at((path / "partition").string()).need()) {
        path = path.parent_path();
    }
    return path.string();
}

// Names that may mean another device after the next boot.
bool is_kernel_name(const std::string& path)
{
    const std::string name = fs::path(path).filename().string();
    if (fs::path(path).parent_path() != "/dev") {
        return false;
    }
    static constexpr std::array kPrefixes{"sd", "hd", "vd", "xvd", "nvme", "mmcblk", "dm-", "loop", "md"};
    return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                       [&](const char* prefix) { return name.starts_with(prefix); });
}

// The first name below /dev on the way along a chain of symlinks.
std::string first_name_in_dev(std::string path)
{
    std::error_code error;
    for (int hops = 0; hops < 40 && !path.starts_with("/dev/"); ++hops) {
        const fs::path target = fs::read_symlink(path, error);
        if (error) {
            break;
        }
        path = (target.is_absolute() ? target : fs::path(path).parent_path() / target).lexically_normal();
    }
    return path;
}

// Empty if there is no such directory. Throws if that cannot be known.
std::vector<fs::path> need_entries(const std::string& directory)
{
    return entries_of(directory).need().value_or(std::vector<fs::path>{});
}

// Calls visit(pid, what) for every process and every file that it holds.
template <class Visit>
void each_process_file(const Visit& visit)
{
    const std::string self = std::to_string(::getpid());
    for (const fs::path& entry : need_entries("/proc")) {
        const std::string pid = entry.filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos || pid == self) {
            continue;
        }
        std::vector<fs::path> files{entry / "cwd", entry / "root", entry / "exe"};
        std::error_code gone; // a process may end while it is looked at
        for (const char* directory : {"fd", "map_files"}) {
            for (fs::directory_iterator at(entry / directory, gone), end; !gone && at != end;
                 at.increment(gone)) {
                files.push_back(at->path());
            }
        }
        for (const fs::path& file : files) {
            visit(pid, file);
        }
    }
}

// The link in /proc/PID/fd has the rights that the file was opened with.
bool may_write(const fs::path& file)
{
    struct stat link {};
    return ::lstat(file.c_str(), &link) == 0 && (link.st_mode & S_IWUSR) != 0;
}

bool is_udev(const std::string& pid)
{
    const std::string name = read_text("/proc/" + pid + "/comm");
    return name == "(udev-worker)\n" || name == "systemd-udevd\n" || name == "udevd\n";
}

// Of a mount there; empty if it is our own namespace.
std::string place_of(const std::vector<MountNamespace>& spaces, const MountNamespace& space)
{
    return &space == &spaces.front() ? "" : " in the mount namespace of " + describe_process(space.process);
}

std::string describe_file(const fs::path& file)
{
    std::error_code error;
    const std::string kind = file.filename().string();
    const std::string target = fs::read_symlink(file, error).string();
    if (kind == "cwd") {
        return "working directory " + target;
    }
    return (kind == "root" ? "root directory " : kind == "exe" ? "program " : "open file ") + target;
}

} // namespace

DeviceNode need_block_device(const std::string& path, const std::string& role)
{
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        throw errno_failure(role + " " + path, errno == ENOENT ? Exit::not_found : Exit::failed);
    }
    if (!S_ISBLK(info.st_mode)) {
        throw Failure(Exit::usage, role + " " + path + " is not a block device",
                      "files need a loop device: losetup --find --show FILE");
    }
    std::error_code error;
    DeviceNode node{path, fs::canonical(path, error).string(), info.st_rdev, 0, 0};
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::ioctl(fd.get(), BLKGETSIZE64, &node.bytes) != 0) {
        throw errno_failure(role + " " + path);
    }
    int sector = 0;
    if (::ioctl(fd.get(), BLKSSZGET, &sector) != 0 || sector <= 0) {
        throw errno_failure(role + " " + path + ": its sectors' size");
    }
    node.sector = static_cast<std::uint32_t>(sector);
    if (node.bytes == 0) {
        throw Failure(Exit::failed, role + " " + path + ": the device has no size",
                      "is there a medium in it, is the loop device attached?");
    }
    return node;
}

std::string stable_name(const DeviceNode& device)
{
    std::string name = first_name_in_dev(fs::absolute(device.given).lexically_normal().string());
    if (name.starts_with("/dev/") && !is_kernel_name(name)) {
        return name;
    }
    std::vector<std::string> links;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/dev/disk/by-id", error)) {
        if (std::error_code gone; fs::canonical(entry.path(), gone) == device.path) {
            links.push_back(entry.path().string());
        }
    }
    // The same link each time, and rather one made of a name than of an LVM physical volume's UUID.
    std::sort(links.begin(), links.end());
    const auto readable = std::find_if(links.begin(), links.end(), [](const std::string& link) {
        return link.find("/lvm-pv-uuid-") == std::string::npos && link.find("/dm-uuid-") == std::string::npos;
    });
    if (readable != links.end()) {
        return *readable;
    }
    return links.empty() ? device.path : links.front();
}

bool overlap(const DeviceNode& a, const DeviceNode& b)
{
    if (a.number == b.number) {
        return true;
    }
    const std::string disk_a = whole_disk(a.number);
    const std::string disk_b = whole_disk(b.number);
    const auto is_partition = [](dev_t number) {
        return look_at((sysfs(number) / "partition").string()).need().has_value();
    };
    return disk_a == disk_b && !(is_partition(a.number) && is_partition(b.number));
}

std::string format_number(dev_t number)
{
    return std::to_string(major(number)) + ":" + std::to_string(minor(number));
}

bool is_mount_of(const Mount& mount, dev_t number)
{
    struct stat info {};
    return mount.device == number ||
           (major(mount.device) == 0 && mount.source.starts_with("/dev/") &&
            ::stat(mount.source.c_str(), &info) == 0 && S_ISBLK(info.st_mode) && info.st_rdev == number);
}

std::vector<Mount> mounts_of(dev_t number)
{
    std::vector<Mount> mounts = all_mounts();
    std::erase_if(mounts, [&](const Mount& mount) { return !is_mount_of(mount, number); });
    return mounts;
}

namespace {

using Uses = std::vector<std::pair<dev_t, std::string>>;

void add_swaps(Uses& uses, const std::set<dev_t>& numbers)
{
    for (const std::string& line : split(text_of("/proc/swaps").need().value_or(""), '\n')) {
        struct stat info {};
        const std::string path = line.substr(0, line.find_first_of(" \t"));
        if (!path.starts_with('/') || ::stat(path.c_str(), &info) != 0) {
            continue;
        }
        if (S_ISBLK(info.st_mode) && numbers.count(info.st_rdev) != 0) {
            uses.emplace_back(info.st_rdev, "used as swap");
        } else if (S_ISREG(info.st_mode) && numbers.count(info.st_dev) != 0) {
            uses.emplace_back(info.st_dev, "holding the swap file " + path);
        }
    }
}

// A loop device keeps a file or device, whichever process has set it up, in whichever namespace.
void add_loops(Uses& uses, const std::set<dev_t>& numbers)
{
    for (const fs::path& entry : need_entries("/sys/block")) {
        const std::string name = entry.filename().string();
        if (!name.starts_with("loop") || !look_at((entry / "loop").string()).need()) {
            continue;
        }
        const UniqueFd fd(::open(("/dev/" + name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        loop_info64 info{};
        if (!fd || ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) != 0) {
            continue; // taken away meanwhile
        }
        for (const dev_t number : {info.lo_rdevice, info.lo_device}) {
            if (numbers.count(number) != 0) {
                uses.emplace_back(number, "used by /dev/" + name);
            }
        }
    }
}

} // namespace

std::vector<std::pair<dev_t, std::string>> stacked_on(const std::set<dev_t>& numbers)
{
    Uses uses;
    add_swaps(uses, numbers);
    for (const dev_t number : numbers) {
        for (const fs::path& holder : need_entries((sysfs(number) / "holders").string())) {
            const std::string name = holder.filename().string();
            std::string mapped = read_text("/sys/block/" + name + "/dm/name");
            mapped.erase(mapped.find_last_not_of('\n') + 1);
            uses.emplace_back(number,
                              "used by " + (mapped.empty() ? "/dev/" + name : "/dev/mapper/" + mapped));
        }
    }
    add_loops(uses, numbers);
    return uses;
}

std::vector<std::string> holders_of(dev_t number)
{
    std::vector<std::string> uses;
    const std::vector<MountNamespace> spaces = mount_namespaces();
    for (const MountNamespace& space : spaces) {
        for (const Mount& mount : space.mounts) {
            if (is_mount_of(mount, number)) {
                uses.push_back("mounted at " + mount.target + place_of(spaces, space));
            }
        }
    }
    for (const auto& [device, use] : stacked_on({number})) {
        uses.push_back(use);
    }
    return uses;
}

std::vector<FileUse> files_in_use(const std::set<dev_t>& numbers)
{
    std::vector<FileUse> found;
    std::set<std::pair<int, dev_t>> known;
    each_process_file([&](const std::string& pid, const fs::path& file) {
        struct stat info {};
        if (::stat(file.c_str(), &info) != 0) {
            return; // closed meanwhile
        }
        const bool device = S_ISBLK(info.st_mode);
        const dev_t number = device ? info.st_rdev : info.st_dev;
        const int process = std::stoi(pid);
        if (numbers.count(number) != 0 && (device || known.emplace(process, number).second) &&
            !is_udev(pid)) {
            found.push_back({process, number, device, may_write(file),
                             device ? "has the device open" : describe_file(file)});
        }
    });
    return found;
}

std::vector<std::string> describe(const std::vector<FileUse>& uses)
{
    std::vector<std::string> lines;
    std::set<int> told;
    for (const FileUse& use : uses) {
        if (told.insert(use.process).second) {
            lines.push_back(describe_process(use.process) + (use.device ? " " : ": ") + use.text);
        }
    }
    return lines;
}

std::vector<std::string> users_of(const std::string& target)
{
    struct stat root {};
    if (::stat(target.c_str(), &root) != 0) {
        return {};
    }
    std::vector<std::string> users = describe(files_in_use({root.st_dev}));
    for (const auto& [device, use] : stacked_on({root.st_dev})) {
        users.push_back(use);
    }
    for (const Mount& mount : all_mounts()) {
        if (mount.target.starts_with(target + "/")) {
            users.push_back(mount.source + " is mounted at " + mount.target);
        }
    }
    return users;
}

UniqueFd open_exclusive(const DeviceNode& device, int flags, const std::string& role)
{
    UniqueFd fd(::open(device.path.c_str(), flags | O_EXCL | O_CLOEXEC));
    if (fd) {
        return fd;
    }
    if (errno != EBUSY) {
        throw errno_failure(role + " " + device.given);
    }
    const std::vector<std::string> uses = holders_of(device.number);
    throw Failure(Exit::busy,
                  role + " " + device.given + ": in use: " +
                      (uses.empty() ? "another program or a partition holds it" : join(uses, ", ")),
                  "unmount it or end that use first");
}

std::optional<Signature> signature_of(const std::string& path)
{
    const std::unique_ptr<blkid_struct_probe, void (*)(blkid_probe)> probe(
        blkid_new_probe_from_filename(path.c_str()), blkid_free_probe);
    if (!probe) {
        throw errno_failure(path + ": cannot be read");
    }
    blkid_probe_enable_superblocks(probe.get(), 1);
    blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
    blkid_probe_enable_partitions(probe.get(), 1);
    const int result = blkid_do_safeprobe(probe.get());
    if (result == 1) {
        return std::nullopt;
    }
    if (result == -2) {
        return Signature{"several kinds of data", "other", 0};
    }
    if (result != 0) {
        throw Failure(Exit::failed, path + ": cannot be read to see what is on it");
    }
    const char* value = nullptr;
    if (blkid_probe_lookup_value(probe.get(), "TYPE", &value, nullptr) == 0) {
        const char* usage = nullptr;
        blkid_probe_lookup_value(probe.get(), "USAGE", &usage, nullptr);
        const char* block = nullptr;
        const bool told = blkid_probe_lookup_value(probe.get(), "BLOCK_SIZE", &block, nullptr) == 0;
        const auto bytes = told ? parse_integer(block).value_or(0) : 0;
        return Signature{value, usage != nullptr ? usage : "other",
                         bytes > 0 && bytes <= kLargestSector ? static_cast<std::uint32_t>(bytes) : 0};
    }
    if (blkid_probe_lookup_value(probe.get(), "PTTYPE", &value, nullptr) == 0) {
        return Signature{value, "partition table", 0};
    }
    return std::nullopt;
}

} // namespace zumastor
