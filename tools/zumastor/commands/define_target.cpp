// SPDX-License-Identifier: GPL-2.0
// zumastor define target: a host that the volume is replicated to.
#include <algorithm>
#include <cstdio>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/systemd/units.h"
#include "tools/zumastor/volume/locked_volume.h"

namespace zumastor {
namespace {

struct DefineTarget : PeerOptions, CycleTimes, DryRun {
    std::string volume;
    std::string host;
    bool uncompressed = false;
    std::optional<std::string> test;
};

Exit define_target(const DefineTarget& given)
{
    LockedVolume locked = lock_volume(given.volume);
    VolumeConfig& config = locked.volume.config();
    Target target = target_from(given.host, given);
    if (!fits_units(config.name, target.host)) {
        throw Failure(
            Exit::usage,
            "target: '" + target.host +
                "' makes the names of systemd's units too long: most marks count four characters there",
            "~/.ssh/config can give a shorter name");
    }
    target.bytes_per_second = rate_from(given);
    target.compress = !given.uncompressed;
    if (const auto test = given.test; test && *test != "fullvolume") {
        throw Failure(Exit::usage, "--test " + *test + ": there is only fullvolume");
    }
    target.full = given.test.has_value();
    target.period = period_from(given);
    const Target* known = find_target(config, target.host);
    target.stopped = known != nullptr && known->stopped; // all else is as this command says
    if (given.dry_run) {
        std::printf("would %s target %s of volume %s\n", known != nullptr ? "change" : "add",
                    target.host.c_str(), config.name.c_str());
        return Exit::ok;
    }
    const VolumeConfig before = config;
    std::erase_if(config.targets, [&](const Target& other) { return other.host == target.host; });
    config.targets.push_back(target);
    Troubles troubles;
    save_and_follow(before, config, troubles);
    std::printf("volume %s is sent to %s by: zumastor replicate %s %s\n", config.name.c_str(),
                target.host.c_str(), config.name.c_str(), target.host.c_str());
    tell_period(config.name + " " + target.host, "target", target.period, target.stopped);
    return conclude(troubles);
}

constexpr auto kDefineTargetOptions = option_table<DefineTarget>(
    kPeriodOption, value<&DefineTarget::name>("-n,--name", "REMOTEVOL", "the volume's name there (the same)"),
    value<&DefineTarget::rate_limit>("-r,--ratelimit,--rate-limit", "SIZE",
                                     "at most so many bytes a second; pulled, too, once it was pushed to"),
    flag<&DefineTarget::uncompressed>("-u,--uncompressed", "do not compress; the same"),
    value<&DefineTarget::test>("-t,--test", "fullvolume",
                               "every cycle begun here sends everything, not what changed"),
    kSshUserOption, kDryRunOption);

} // namespace

constexpr CommandSpec kDefineTarget = command<define_target>(
    "define target", arguments<&DefineTarget::volume, &DefineTarget::host>("VOL HOST"),
    "Name a host ([USER@]HOST[:PORT]) that this volume is replicated to.", kDefineTargetOptions,
    Page{"The host needs a volume that is a replica of this one (define source there), "
         "and an ssh key without a passphrase. Options that are not given are reset.",
         "A cycle every ten minutes:\n"
         "$ zumastor define target data replica.example.com --period 600\n"
         "Another name there, and a slow link:\n"
         "$ zumastor define target data backup@replica --name data-copy --ratelimit 2M"});

} // namespace zumastor
