// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/samba.h"

#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSambaFolder = "/etc/samba";

} // namespace

std::string share_file(const std::string& volume)
{
    return std::string(kSambaFolder) + "/zumastor-" + volume + ".conf";
}

std::string format_share(const std::string& volume, const std::string& mount_point,
                         const std::string& snapshot_directory)
{
    return "# Written by: zumastor define master " + volume +
           " --samba. Other settings of the share belong into smb.conf.\n"
           "path = " +
           mount_point +
           "\nread only = no\nvfs objects = shadow_copy2\nshadow:snapdir = " + snapshot_directory +
           "\nshadow:basedir = " + mount_point +
           "\nshadow:format = %Y.%m.%d-%H.%M.%S\nshadow:localtime = no\nshadow:sort = desc\n";
}

void need_samba()
{
    if (!fs::is_directory(kSambaFolder)) {
        throw Failure(Exit::missing,
                      std::string("Samba is not installed here: ") + kSambaFolder + " does not exist",
                      "install it: apt install samba (on Debian 12 samba-vfs-modules, too)");
    }
}

void follow_samba(const Volume& volume)
{
    const std::string& name = volume.config().name;
    const std::string path = share_file(name);
    if (volume.config().master && volume.config().master->samba) {
        need_samba();
        write_text(path, format_share(name, canonical(volume.mount_point()),
                                      canonical(volume.snapshot_directory())));
        return;
    }
    std::error_code error;
    fs::remove(path, error);
    if (error && error != std::errc::not_a_directory) {
        throw Failure(Exit::failed, path + " cannot be removed: " + error.message());
    }
}

bool is_share_included(const std::string& volume)
{
    const std::string file = share_file(volume);
    for (const std::string& line : split(read_text(std::string(kSambaFolder) + "/smb.conf"), '\n')) {
        const std::size_t begin = line.find_first_not_of(" \t");
        const std::size_t equals = line.find('=');
        if (begin != std::string::npos && line.compare(begin, 7, "include") == 0 &&
            equals != std::string::npos && line.find(file, equals) != std::string::npos) {
            return true;
        }
    }
    return false;
}

} // namespace zumastor
