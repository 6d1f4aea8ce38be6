// SPDX-License-Identifier: GPL-2.0
// What is mounted, in this process' mount namespace and in all others that some process is in.
//
// A mount elsewhere that is a copy of one of ours goes with ours when ours is unmounted, or stays: that is
// decided by the mount that it lies on, its parent. Invariant: what is not known to go counts as staying; the
// kernel's count of openings has the last word (in_use.h).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace zumastor {

struct Mount {
    std::string source;
    std::string target;
    std::string type;
    std::string options; // per mount, then per superblock
    dev_t device = 0;
    int id = 0;
    int parent = 0;
    std::string root; // the directory of the filesystem that is shown at `target`
    int shared = 0;   // the group that it gives its mounts to and gets them from; 0: none
    int master = 0;   // the group that it only gets them from
};

// A line of /proc/PID/mountinfo; empty if it is none.
std::optional<Mount> parse_mount(const std::string& line);
std::vector<Mount> parse_mounts(const std::string& text);

std::vector<Mount> all_mounts(); // /proc/self/mountinfo, in order

// Of the filesystem that `path`, which has no links in it, is on: its number as in `mounts`.
dev_t device_at(const std::vector<Mount>& mounts, const std::string& path);

struct MountNamespace {
    std::uint64_t number = 0; // as in "mnt:[4026531841]"
    int process = 0;          // one of those that are in it, the oldest
    std::vector<Mount> mounts;
};
// Of all processes; our own is the first.
std::vector<MountNamespace> mount_namespaces();

// A mount in another namespace.
struct Elsewhere {
    const MountNamespace* space = nullptr;
    const Mount* mount = nullptr;
};
// Those of the mounts for which `concerned` is true that are outside of the first namespace and stay when its
// mounts `ours` (their ids) are unmounted, the innermost first, each by itself.
std::vector<Elsewhere> staying(const std::vector<MountNamespace>& spaces,
                               const std::function<bool(const Mount&)>& concerned, const std::set<int>& ours);

// "container web", "unit nginx.service", of the text of /proc/PID/cgroup; empty if it says neither.
std::string group_of(const std::string& cgroup);
// "process 12 (sleep) of container web"
std::string describe_process(int process);

} // namespace zumastor
