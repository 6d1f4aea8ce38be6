// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/snapshot_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/zumastor/config/snapshot_options.h"
#include "tools/zumastor/host/mounts.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

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

std::string snapshot_mount_options(const std::string& type, const VolumeConfig& config)
{
    return snapshot_mount_options(type) + snapshot_restrictions(config);
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
        throw errno_failure("cannot set the access rights of " + directory);
    }
}

} // namespace zumastor
