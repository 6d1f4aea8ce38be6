// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

#include <libmount.h>

#include "tools/common/failure.h"
#include "tools/common/kernel_messages.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/beneath.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

using Context = std::unique_ptr<libmnt_context, int (*)(libmnt_context*)>;

// libmount frees its context by a function without a result.
int free_context(libmnt_context* context)
{
    mnt_free_context(context);
    return 0;
}

Context make_context()
{
    Context context(mnt_new_context(), free_context);
    if (!context) {
        throw Failure(Exit::failed, "no memory for a mount");
    }
    return context;
}

std::string reason(libmnt_context* context, int result)
{
    std::array<char, 512> text{};
    mnt_context_get_excode(context, result, text.data(), text.size());
    std::string words = text.data();
    words.erase(words.find_last_not_of(" .\n") + 1);
    return words.empty() ? std::strerror(result < 0 ? -result : errno) : words;
}

// libmount knows an error's number, which is often that of something else; what is wrong is in the kernel's
// log.
Failure not_mounted(const std::string& what, libmnt_context* context, int result,
                    const KernelMessages& kernel, const std::string& device, const std::string& type,
                    const std::string& options)
{
    std::error_code error;
    const std::string disk = fs::canonical(device, error).filename().string(); // dm-3, as the kernel names it
    const std::string why = kernel.since({"(" + disk + ")", disk + ":", type.empty() ? "" : type + ":"});
    const int number = mnt_context_syscall_called(context) != 0 ? mnt_context_get_syscall_errno(context) : 0;
    std::string next = "options were: " + (options.empty() ? "none" : options);
    if (number == ENODEV) {
        next = "this kernel has no filesystem " + type + ": modprobe " + type;
    } else if (number == ENOSYS || number == EINVAL || number == EUCLEAN) {
        next += "; to check the filesystem: " + (type.empty() ? "fsck" : "fsck." + type) + " -n " + device +
                " (xfs: xfs_repair -n)";
    }
    return Failure(Exit::failed,
                   what + ": " +
                       (why.empty() ? reason(context, result) + " (the kernel log says nothing more)"
                                    : "the kernel says: " + why),
                   next);
}

} // namespace

std::string snapshot_mount_options(const std::string& type)
{
    struct Row {
        std::string_view type;
        const char* options;
    };
    // A snapshot cannot be written to, so its journal cannot be replayed; freezing has left nothing in it.
    static constexpr std::array kRows{
        Row{"ext4", "ro,noload"},
        Row{"ext3", "ro,noload"},
        Row{"xfs", "ro,nouuid,norecovery"}, // nouuid: the original has the same one
        Row{"btrfs", "ro,rescue=nologreplay"},
        Row{"f2fs", "ro,norecovery"},
        Row{"nilfs2", "ro,norecovery"},
        Row{"reiserfs", "ro,nolog"},
    };
    for (const Row& row : kRows) {
        if (row.type == type) {
            return row.options;
        }
    }
    return "ro";
}

std::optional<std::string> filesystem_on(const std::string& device)
{
    const auto found = signature_of(device);
    if (!found) {
        return std::nullopt;
    }
    if (found->usage != "filesystem") {
        throw Failure(Exit::failed,
                      device + " holds no filesystem, but " + found->type + " (" + found->usage + ")",
                      "zumastor mounts plain filesystems; for the rest use the device itself");
    }
    return found->type;
}

namespace {

// `target`: how the kernel finds it; `shown`: what it is called.
void mount_with(libmnt_context* context, const std::string& device, const std::string& target,
                const std::string& shown, const std::string& type, const std::string& options)
{
    mnt_context_set_source(context, device.c_str());
    mnt_context_set_target(context, target.c_str());
    mnt_context_set_fstype(context, type.c_str());
    if (!options.empty()) {
        mnt_context_set_options(context, options.c_str());
    }
    const KernelMessages kernel;
    const int result = mnt_context_mount(context);
    if (result != 0 || mnt_context_get_status(context) != 1) {
        if (type == "btrfs" && mnt_context_syscall_called(context) != 0 &&
            mnt_context_get_syscall_errno(context) == EEXIST) {
            throw Failure(Exit::busy,
                          "cannot mount " + device + " at " + shown +
                              ": its origin is mounted, a btrfs with the same UUID; Linux mounts both from "
                              "6.7 on (define master --no-snapmount mounts no snapshots)");
        }
        throw not_mounted("cannot mount " + device + " at " + shown, context, result, kernel, device, type,
                          options);
    }
}

} // namespace

void mount_filesystem(const std::string& device, const std::string& target, const std::string& type,
                      const std::string& options)
{
    std::error_code error;
    fs::create_directories(target, error);
    if (error) {
        throw Failure(Exit::failed, "mount point " + target + ": " + error.message());
    }
    mount_with(make_context().get(), device, target, target, type, options);
}

void mount_filesystem_at(const ddsnap::UniqueFd& directory, const std::string& shown,
                         const std::string& device, const std::string& type, const std::string& options)
{
    const Context context = make_context();
    mnt_context_disable_canonicalize(context.get(), 1); // it would be a path again
    mount_with(context.get(), device, path_of(directory), shown, type, options);
}

void remount_filesystem(const std::string& device, const std::string& target, const std::string& options)
{
    const Context context = make_context();
    mnt_context_set_optsmode(context.get(), MNT_OMODE_NOTAB); // only what is said here
    mnt_context_set_source(context.get(), device.c_str());
    mnt_context_set_target(context.get(), target.c_str());
    // Without a word on access times the kernel keeps those that are; relatime is what a new mount has, and
    // gives way to the others (do_remount() in fs/namespace.c).
    mnt_context_set_options(context.get(),
                            ("remount,relatime" + (options.empty() ? "" : "," + options)).c_str());
    const KernelMessages kernel;
    const int result = mnt_context_mount(context.get());
    if (result != 0 || mnt_context_get_status(context.get()) != 1) {
        throw not_mounted("cannot change the mount at " + target, context.get(), result, kernel, device, "",
                          options);
    }
}

std::string filesystem_options(const std::string& options)
{
    char* own = nullptr;
    if (mnt_split_optstr(options.c_str(), nullptr, nullptr, &own, 0, 0) != 0) {
        throw Failure(Exit::usage, "mount options '" + options + "' are not understood");
    }
    const std::unique_ptr<char, decltype(&std::free)> holder(own, std::free);
    return own == nullptr ? "" : own;
}

void unmount(const std::string& target)
{
    const Context context = make_context();
    mnt_context_set_target(context.get(), target.c_str());
    const int result = mnt_context_umount(context.get());
    if (result == 0 && mnt_context_get_status(context.get()) == 1) {
        return;
    }
    const bool busy = mnt_context_syscall_called(context.get()) != 0 &&
                      mnt_context_get_syscall_errno(context.get()) == EBUSY;
    if (!busy) {
        throw Failure(Exit::failed, "cannot unmount " + target + ": " + reason(context.get(), result));
    }
    throw busy_mount(target);
}

Failure busy_mount(const std::string& target)
{
    const std::vector<std::string> users = users_of(target);
    return Failure(Exit::busy,
                   target + ": in use: " + (users.empty() ? "its user cannot be seen" : join(users, "; ")),
                   users.empty() ? "is it exported over NFS? exportfs -u, then exportfs -f"
                                 : "end these uses, then try again");
}

void detach_mount(const std::string& target)
{
    if (::umount2(target.c_str(), MNT_DETACH) != 0) {
        throw errno_failure("cannot unmount " + target);
    }
}

namespace {

// A copy of the mount goes beneath the one that is there. False if the kernel, or the place, does not allow
// it.
bool bind_beneath(const std::string& from, const std::string& target)
{
    constexpr unsigned kBeneath = 0x200; // MOVE_MOUNT_BENEATH, linux/mount.h of 6.5
    const ddsnap::UniqueFd tree(::open_tree(AT_FDCWD, from.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    return tree &&
           ::move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH | kBeneath) == 0;
}

} // namespace

void replace_mount(const std::string& from, const std::string& target)
{
    if (bind_beneath(from, target)) {
        detach_mount(target); // the upper one
        return;
    }
    detach_mount(target);
    bind_tree(from, target);
}

std::string canonical(const std::string& path)
{
    std::error_code error;
    return fs::weakly_canonical(fs::absolute(path), error).string();
}

bool is_below(const std::string& path, const std::string& directory)
{
    return path == directory || path.starts_with(directory + "/");
}

bool is_mount_point(const std::string& target)
{
    const std::string path = canonical(target);
    const std::vector<Mount> mounts = all_mounts();
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const Mount& mount) { return mount.target == path; });
}

void make_shared_mount(const std::string& directory)
{
    std::error_code error;
    fs::create_directories(directory, error);
    if (is_mount_point(directory)) {
        return;
    }
    const char* path = directory.c_str();
    if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, path, nullptr, MS_SHARED, nullptr) != 0) {
        throw errno_failure("cannot share the mounts below " + directory);
    }
}

void bind_tree(const std::string& directory, const std::string& target)
{
    std::error_code error;
    fs::create_directories(target, error);
    if (error) {
        throw Failure(Exit::failed, target + ": " + error.message());
    }
    if (::mount(directory.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
        throw errno_failure("cannot show " + directory + " at " + target);
    }
}

} // namespace zumastor
