// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "tools/common/block_device.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/mounts.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;

UniqueFd open_restricted(int directory, const std::string& path, std::uint64_t flags, std::uint64_t resolve)
{
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = resolve;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how))));
}

} // namespace

Beneath::Beneath(std::string top)
    : top_(std::move(top)), fd_(::open(top_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))
{
    if (!fd_) {
        throw errno_failure(top_);
    }
}

UniqueFd Beneath::directory(const std::string& name) const
{
    if (::mkdirat(fd_.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
        throw errno_failure(top_ + "/" + name + " cannot be made");
    }
    UniqueFd found = open_restricted(fd_.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW,
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (found) {
        return found;
    }
    if (errno == ELOOP || errno == ENOTDIR) {
        throw Failure(Exit::exists, top_ + "/" + name + " is a link, or not a directory, and is not used",
                      "find out what has made it, and remove it");
    }
    throw errno_failure(top_ + "/" + name);
}

void Beneath::bind_tree(const std::string& tree, const std::string& name) const
{
    const UniqueFd place = directory(name);
    const UniqueFd copy(
        ::open_tree(AT_FDCWD, tree.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
    if (!copy || ::move_mount(copy.get(), "", place.get(), "",
                              MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
        throw errno_failure("cannot show " + tree + " at " + top_ + "/" + name);
    }
}

// A mount point cannot be renamed or removed in the mount namespace that it is one in, so between the
// caller's look and this call it stays what it is; would it not, a link is not followed.
void Beneath::unmount(const std::string& name) const
{
    const std::string path = path_of(fd_) + "/" + name;
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) {
        return;
    }
    const std::string shown = (top_ == "/" ? "" : top_) + "/" + name;
    if (errno != EBUSY) {
        throw errno_failure("cannot unmount " + shown);
    }
    throw busy_mount(shown);
}

std::string path_of(const UniqueFd& directory)
{
    return "/proc/self/fd/" + std::to_string(directory.get()) + "/.";
}

UniqueFd directory_in_root(int process, const std::string& path)
{
    const UniqueFd root(
        ::open(("/proc/" + std::to_string(process) + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return root ? open_restricted(root.get(), path, O_PATH | O_DIRECTORY,
                                  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
                : UniqueFd();
}

bool unmount_ours(const std::string& path, const std::function<bool(const Mount&)>& is_ours)
{
    const std::size_t slash = path.rfind('/');
    bool any = false;
    for (;;) {
        std::optional<Mount> top; // the last one of the list is the uppermost
        bool ours_beneath = false;
        for (Mount& mount : all_mounts()) {
            if (mount.target == path) {
                ours_beneath = ours_beneath || is_ours(mount);
                top = std::move(mount);
            }
        }
        if (!ours_beneath) {
            return any;
        }
        if (!is_ours(*top)) {
            throw Failure(Exit::busy, path + ": in use: " + top->source + " is mounted on it",
                          "umount " + path);
        }
        Beneath(slash == 0 ? "/" : path.substr(0, slash)).unmount(path.substr(slash + 1));
        any = true;
    }
}

} // namespace zumastor
