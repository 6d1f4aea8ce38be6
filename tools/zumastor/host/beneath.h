// SPDX-License-Identifier: GPL-2.0
// Work done as root in a directory that others may write to.
//
// A name there may be a symbolic link to anywhere, or become one at any moment. So the directory is opened
// once, what is in it is opened relative to that without following links and without leaving it, and what is
// mounted, or unmounted, is named by descriptor. Invariant: a path is never looked up through such a
// directory twice (tests/guest/zumastor-dotsnapshot.test).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/mount_table.h"

namespace zumastor {

class Beneath {
public:
    // The way to `top` is the administrator's: links in it are followed. Throws if it cannot be opened.
    explicit Beneath(std::string top);

    // The directory `name` in it, made if there is none. Throws Exit::exists if it is a link, or no
    // directory.
    ddsnap::UniqueFd directory(const std::string& name) const;
    // Shows `tree`, with everything mounted below it, at the directory `name`.
    void bind_tree(const std::string& tree, const std::string& name) const;
    // Unmounts what is mounted at `name`, which is a mount point now.
    void unmount(const std::string& name) const;

private:
    std::string top_;
    ddsnap::UniqueFd fd_;
};

// A path to what is open, for calls that take only paths; good as long as it is open. It ends so that the
// kernel goes through it wherever it would not follow a last link.
std::string path_of(const ddsnap::UniqueFd& directory);

// A directory in the tree that a process sees, below its root whatever links there are. Not open if there is
// none.
ddsnap::UniqueFd directory_in_root(int process, const std::string& path);

// Unmounts the mounts at `path` for which `is_ours` is true, and only those: one that lies under another's is
// left alone, with a reason (Exit::busy). `path` is canonical. True if any was.
bool unmount_ours(const std::string& path, const std::function<bool(const Mount&)>& is_ours);

} // namespace zumastor
