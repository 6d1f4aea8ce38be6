// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/other_users.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string_view>

#include "tools/common/block_device.h"
#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/systemd/fstab.h"

namespace zumastor {
namespace {

constexpr std::chrono::seconds kPvsLimit{30};

// Of what the volume's device holds; empty if that is nothing, or is not to be read.
std::string type_on(const std::string& device)
{
    try {
        const auto found = signature_of(device);
        return found ? found->type : "";
    } catch (const Failure&) {
        return {};
    }
}

// Of the physical volumes it finds. Where it is not installed, it takes nothing for anything.
std::string said_by_lvm()
{
    try {
        return run_program({"pvs", "--noheadings", "--options=pv_name"}, kPvsLimit).output;
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        return {};
    }
}

// LVM looks into all devices by itself, unless it is told not to.
bool confuses_lvm(const VolumeConfig& config, const std::string& disk)
{
    const std::string ours = "/dev/zumastor/" + config.name + "/"; // names that LVM prefers
    const std::vector<std::string> lines = split(said_by_lvm(), '\n');
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find("WARNING") != std::string::npos &&
               (line.find(disk) != std::string::npos || line.find(ours) != std::string::npos);
    });
}

} // namespace

std::string lvm_filter(const std::string& disk)
{
    constexpr std::string_view kSpecial = R"(.[]()*+?^$|{}\)";
    std::string pattern;
    for (const char c : disk) {
        if (kSpecial.find(c) != std::string_view::npos) {
            pattern += "\\\\"; // in a string of LVM's configuration
        }
        pattern += c;
    }
    return "devices { global_filter = [ \"r|^" + pattern + "$|\", \"r|^/dev/zumastor/.*/[0-9]+$|\" ] }";
}

std::vector<OtherUser> users_of_type(const std::string& type, const std::string& disk,
                                     const std::string& volume)
{
    if (type == "LVM2_member") {
        return {{"it holds an LVM physical volume, and LVM also takes the disk below it or a "
                 "snapshot for that physical volume",
                 "exclude both from LVM, in /etc/lvm/lvmlocal.conf: " + lvm_filter(disk)}};
    }
    if (type == "linux_raid_member") {
        return {
            {"it holds a member of an md array: mdadm --assemble --scan may take the disk "
             "below it or a snapshot for the member",
             "name the devices that mdadm may use, in /etc/mdadm/mdadm.conf: DEVICE /dev/mapper/" + volume}};
    }
    if (type == "mpath_member") {
        return {{disk + " is one path of a multipath device: writes through another path would damage "
                        "the volume's snapshots",
                 "forget the volume, and define it on the multipath device (multipath -ll shows its name)"}};
    }
    return {};
}

std::vector<OtherUser> other_users(const VolumeConfig& config)
{
    std::vector<OtherUser> found;
    for (const RawLine& line : raw_lines_here(config)) {
        found.push_back({describe(line), remedy(config, line)});
    }
    std::error_code error;
    const std::string disk = std::filesystem::canonical(config.origin, error).string();
    const std::string type = type_on(Paths(config.name).origin_device);
    if (type != "LVM2_member" || confuses_lvm(config, disk)) {
        for (OtherUser& user : users_of_type(type, disk, config.name)) {
            found.push_back(std::move(user));
        }
    }
    return found;
}

void tell_of_others(const VolumeConfig& config)
{
    for (const OtherUser& user : other_users(config)) {
        note("volume " + config.name + ": " + user.what + "; " + user.remedy);
    }
}

} // namespace zumastor
