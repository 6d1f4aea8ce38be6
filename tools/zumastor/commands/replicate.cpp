// SPDX-License-Identifier: GPL-2.0
// zumastor replicate: cycles between two hosts, begun from either side.
#include <poll.h>

#include <algorithm>
#include <chrono>

#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/background_cycle.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/replication/cycles.h"

namespace zumastor {
namespace {

struct Replicate : CycleFlags, ProgressOptions {
    std::string volume;
    std::optional<std::string> host;
    bool wait = false; // what is so anyway
    bool nowait = false;
    std::optional<std::string> delay;
};

std::chrono::seconds delay_of(const Replicate& given)
{
    constexpr std::int64_t kLongestDelay = 365LL * 24 * 3600;
    return std::chrono::seconds(given.delay ? need_integer(*given.delay, "delay", 0, kLongestDelay) : 0);
}

// Throws Exit::interrupted.
void keep(std::chrono::seconds delay)
{
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + delay;
    for (auto left = deadline - Clock::now(); left > Clock::duration::zero();
         left = deadline - Clock::now()) {
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        ::poll(nullptr, 0,
               static_cast<int>(std::min<std::int64_t>(ms, 1000))); // a signal may come just before it
        check_interrupt();
    }
}

Exit replicate(const Replicate& given)
{
    const std::chrono::seconds delay = delay_of(given);
    const auto host = host_from(given.host);
    {
        const Volume volume(load_config(given.volume));
        const std::vector<HostName> hosts = cycles_asked_for(volume, host);
        const bool plain = !given.snapnum && !given.full && !given.delay;
        if (given.nowait && !go_on_in_background(volume, hosts, plain)) {
            return Exit::ok;
        }
    }
    keep(delay);
    return run_cycles(given.volume, host, {given.snapnum, given.full, given});
}

constexpr auto kReplicateOptions = option_table<Replicate>(
    kCycleOptions, flag<&Replicate::wait>("-w,--wait", "return when the cycle is done (the default)"),
    flag<&Replicate::nowait>("-n,--nowait", "return at once; zumastor status VOL shows the result"),
    value<&Replicate::delay>("-d,--delay", "SEC", "begin after so many seconds"), kProgressOptions);

} // namespace

constexpr CommandSpec kReplicate =
    command<replicate>("replicate", arguments<&Replicate::volume, &Replicate::host>("VOL [HOST]"),
                       "Bring a replica up to date with one cycle.", kReplicateOptions,
                       Page{"On a master, the cycle goes to its targets. On a replica, it comes from the "
                            "source. A cycle sends what changed since the last one. An interrupted cycle "
                            "is resumed. Without HOST all targets get a cycle.",
                            "$ zumastor replicate data\n"
                            "$ zumastor replicate data replica --nowait"});

} // namespace zumastor
