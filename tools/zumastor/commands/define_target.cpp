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
        throw Failure(Exit::usage,
                      "target: '" + target.host +
                          "' is too long for the names of systemd's units: most punctuation marks take "
                          "four characters there",
                      "give the host a shorter name in ~/.ssh/config");
    }
    target.bytes_per_second = rate_from(given);
    target.compress = !given.uncompressed;
    if (const auto test = given.test; test && *test != "fullvolume") {
        throw Failure(Exit::usage, "--test " + *test + ": the only test is fullvolume");
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
    kPeriodOption,
    value<&DefineTarget::name>("-n,--name", "REMOTEVOL", "the volume's name on HOST (the same)"),
    value<&DefineTarget::rate_limit>(
        "-r,--ratelimit,--rate-limit", "SIZE",
        "at most so many bytes a second; after the first cycle from here, also if the "
        "replica asks"),
    flag<&DefineTarget::uncompressed>(
        "-u,--uncompressed", "do not compress; after the first cycle from here, also if the replica asks"),
    value<&DefineTarget::test>("-t,--test", "fullvolume",
                               "cycles that begin here send everything, not only what changed"),
    kSshUserOption, kDryRunOption);

} // namespace

constexpr CommandSpec kDefineTarget = command<define_target>(
    "define target", arguments<&DefineTarget::volume, &DefineTarget::host>("VOL HOST"),
    "Replicate this volume to a host ([USER@]HOST[:PORT]).", kDefineTargetOptions,
    Page{"On HOST, define source makes a volume a replica of this one. This host needs "
         "an ssh key without a passphrase for HOST. Options that are not given are "
         "reset.",
         "A cycle every ten minutes:\n"
         "$ zumastor define target data replica.example.com --period 600\n"
         "Another name there, and a slow link:\n"
         "$ zumastor define target data backup@replica --name data-copy --ratelimit 2M"});

} // namespace zumastor
