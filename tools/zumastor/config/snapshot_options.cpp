// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/snapshot_options.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "ddsnapd/client/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/mounts.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

struct Restriction {
    std::string_view allow;
    std::string_view deny;
    bool by_default; // whatever the volume's own options are
};
constexpr std::array kRestrictions{Restriction{"suid", "nosuid", true}, Restriction{"dev", "nodev", true},
                                   Restriction{"exec", "noexec", false},
                                   Restriction{"symfollow", "nosymfollow", false}};

// The last word of a list that is about it counts. "user", "users" and "owner" restrict, too (mount(8)).
bool restricted(const Restriction& one, const std::string& list, bool otherwise)
{
    for (const std::string& word : split(list, ',')) {
        const bool users = word == "user" || word == "users" || word.starts_with("user=");
        if (word == one.deny || (users && one.deny != "nosymfollow")) {
            otherwise = true;
        } else if (word == one.allow) {
            otherwise = false;
        }
    }
    return otherwise;
}

// Who may pass: of the directories on the way the nearest that does not let everybody through, else the last
// one.
struct stat gate_on_the_way(const fs::path& mount_point)
{
    struct stat nearest {};
    for (fs::path path = fs::path(canonical(mount_point)).parent_path();; path = path.parent_path()) {
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0) {
            if ((status.st_mode & S_IXOTH) == 0) {
                return status;
            }
            nearest = nearest.st_mode == 0 ? status : nearest;
        } else if (errno != ENOENT) { // it is made when the volume is mounted
            throw errno_failure(path.string());
        }
        if (path == path.parent_path()) {
            return nearest;
        }
    }
}

} // namespace

void check_snapshot_options(const std::string& list)
{
    for (const std::string& word : split(list, ',')) {
        if (std::none_of(kRestrictions.begin(), kRestrictions.end(),
                         [&](const Restriction& one) { return word == one.allow || word == one.deny; })) {
            throw Failure(Exit::usage, "'" + word + "' is no option that snapshots can be mounted with",
                          "there are: suid, dev, exec, symfollow; nosuid, nodev, noexec, nosymfollow");
        }
    }
}

std::string snapshot_mount_options(const std::string& type, const VolumeConfig& config)
{
    std::string options = snapshot_mount_options(type);
    for (const Restriction& one : kRestrictions) {
        const bool of_the_volume = restricted(one, config.mount_options, false);
        if (restricted(one, config.snapshot_options, one.by_default || of_the_volume)) {
            options.append(",").append(one.deny);
        }
    }
    return options;
}

void prepare_snapshot_directory(const std::string& directory, const std::string& mount_point)
{
    const bool ours = directory.starts_with("/run/zumastor/") || !look_at(directory).need();
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) {
        throw Failure(Exit::failed, directory + ": " + error.message());
    }
    if (!ours) {
        return;
    }
    const struct stat gate = gate_on_the_way(mount_point);
    const ddsnap::UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // Links are made there: it stays root's, and nobody else may write.
    constexpr mode_t kAll = 0755;
    if (!fd || ::fchown(fd.get(), 0, gate.st_gid) != 0 ||
        ::fchmod(fd.get(), (gate.st_mode & kAll) | S_IRWXU) != 0) {
        throw errno_failure("cannot set who may look into " + directory);
    }
}

} // namespace zumastor
