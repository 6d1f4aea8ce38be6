// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/snapshot_options.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "tools/common/failure.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

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

} // namespace

void check_snapshot_options(const std::string& list)
{
    for (const std::string& word : split(list, ',')) {
        if (std::none_of(kRestrictions.begin(), kRestrictions.end(),
                         [&](const Restriction& one) { return word == one.allow || word == one.deny; })) {
            throw Failure(Exit::usage, "'" + word + "' is not a mount option for snapshots",
                          "choose from: suid, dev, exec, symfollow; nosuid, nodev, noexec, nosymfollow");
        }
    }
}

std::string snapshot_restrictions(const VolumeConfig& config)
{
    std::string options;
    for (const Restriction& one : kRestrictions) {
        const bool of_the_volume = restricted(one, config.mount_options, false);
        if (restricted(one, config.snapshot_options, one.by_default || of_the_volume)) {
            options.append(",").append(one.deny);
        }
    }
    return options;
}

} // namespace zumastor
