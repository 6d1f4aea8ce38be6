// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/raw_origin.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/config/names.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;

constexpr std::chrono::milliseconds kUdevLimit{60000};

constexpr const char* kRulesHead =
    R"(# Made by zumastor-generator: the disks beneath volumes (docs/devices.md).
SUBSYSTEM!="block", GOTO="zumastor_origins_end"
ACTION=="remove", GOTO="zumastor_origins_end"

)";

// Nobody who goes by what udev has found takes the disk for the volume: not a link in /dev/disk, not btrfs,
// md or LVM. Its other links stay, the volume may be configured by one of them.
constexpr const char* kRulesTail =
    R"(
ENV{ZUMASTOR_ORIGIN}!="?*", GOTO="zumastor_origins_end"
ENV{ID_FS_TYPE}="", ENV{ID_FS_USAGE}="", ENV{ID_FS_UUID}="", ENV{ID_FS_UUID_ENC}=""
ENV{ID_FS_LABEL}="", ENV{ID_FS_LABEL_ENC}="", ENV{UDISKS_IGNORE}="1"
ENV{ZUMASTOR_LINKS}="$links"
PROGRAM="/bin/sh -fc 'for l in $$ZUMASTOR_LINKS; do case $$l in )"
    R"(disk/by-uuid/*|disk/by-label/*|disk/by-id/lvm-pv-uuid-*) ;; *) printf \"%%s \" $$l; esac; done'", )"
    R"(SYMLINK="$result"
ENV{ZUMASTOR_LINKS}=""

LABEL="zumastor_origins_end"
)";

// A name as a pattern of udev's that nothing else matches which is likely to be there: what means something
// in patterns and quotes is any one character.
std::string pattern(std::string name)
{
    std::replace_if(
        name.begin(), name.end(),
        [](char c) {
            return static_cast<unsigned char>(c) <= ' ' ||
                   std::string("\"\\*?[]|").find(c) != std::string::npos;
        },
        '?');
    return name;
}

UniqueFd open_device(const std::string& device)
{
    return UniqueFd(::open(device.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

// True if that changed it.
bool set_protected(const std::string& device, bool wanted)
{
    const UniqueFd fd = open_device(device);
    int now = 0;
    if (!fd || ::ioctl(fd.get(), BLKROGET, &now) != 0) {
        throw errno_failure("origin " + device + ": its write protection cannot be read");
    }
    if ((now != 0) == wanted) {
        return false;
    }
    const int value = wanted ? 1 : 0;
    if (::ioctl(fd.get(), BLKROSET, &value) != 0) {
        throw errno_failure("origin " + device + ": its write protection cannot be changed");
    }
    return true;
}

void make_private(const std::string& directory)
{
    std::error_code error; // which mkdir will say
    std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), error);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        throw errno_failure(directory + " cannot be made");
    }
}

bool is_block_device(const std::string& path)
{
    const auto info = look_at(path).need();
    return info && S_ISBLK(info->st_mode);
}

} // namespace

const char* const kOriginRules = "/run/udev/rules.d/63-zumastor-origins.rules";

std::string origin_rule(const VolumeConfig& config)
{
    if (!config.origin.starts_with("/dev/")) {
        return {};
    }
    const std::string link = config.origin.substr(5);
    std::string kernel = link;
    std::replace(kernel.begin(), kernel.end(), '/', '!'); // as the kernel has it: cciss!c0d0
    const std::string& name = config.name;
    const std::string is = "ENV{ZUMASTOR_ORIGIN}=\"" + name + "\"\n";
    return "KERNEL==\"" + pattern(kernel) + "\", " + is + "SYMLINK==\"" + pattern(link) + "\", " + is +
           // Asked when it is done: the volume may be started meanwhile, which makes the directory first.
           "ENV{ZUMASTOR_ORIGIN}==\"" + name + "\", RUN+=\"/bin/sh -c 'test -e " +
           Paths(config.name).runtime + " || exec blockdev --setro $devnode'\"\n";
}

std::string origin_rules_file(const std::string& rules)
{
    return rules.empty() ? "" : kRulesHead + rules + kRulesTail;
}

void refresh_raw_origin(const VolumeConfig& config)
{
    if (!is_block_device(config.origin)) {
        return;
    }
    const std::vector<std::vector<std::string>> steps{
        {"udevadm", "control", "--reload"},
        {"udevadm", "trigger", "--action=change", "--settle", config.origin}};
    for (const auto& step : steps) {
        if (const ProgramResult result = run_program(step, kUdevLimit); result.status != 0) {
            note("volume " + config.name + ": udev has not processed " + config.origin +
                 " again: " + result.output);
        }
    }
}

WritableOrigin::WritableOrigin(std::string runtime, std::string device)
    : runtime_(std::move(runtime)), device_(std::move(device))
{
    make_private(runtime_); // first: an event of the device may come just now
    protected_before_ = set_protected(device_, false);
}

WritableOrigin::~WritableOrigin()
{
    if (!protected_before_) {
        return;
    }
    try {
        set_protected(device_, true);
        ::rmdir(runtime_.c_str()); // stays if something else is in it
    } catch (const Failure& failure) {
        report(failure.what(),
               "do not write to the origin directly: the volume's snapshots would be damaged");
    }
}

void give_raw_origin_back(const VolumeConfig& config)
{
    make_private(Paths(config.name).runtime);
    if (is_block_device(config.origin)) {
        set_protected(config.origin, false);
    }
}

} // namespace zumastor
