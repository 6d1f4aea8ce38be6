// SPDX-License-Identifier: GPL-2.0
// zumastor scheduled: what the units run that timers start (units/).
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/in_one_line.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/replication/cycles.h"
#include "tools/zumastor/systemd/units.h"
#include "tools/zumastor/volume/snapshot_of_kinds.h"

namespace zumastor {
namespace {

struct Scheduled {
    std::string instance;
};

Exit scheduled_cycle(const Scheduled& given)
{
    const Instance instance = Instance::parse(given.instance);
    return in_one_line("cycle " + instance.word(), [&] {
        const auto host = instance.rest.empty() ? std::nullopt : std::optional(instance.rest);
        return run_cycles(instance.volume, host_from(host), {});
    });
}

Exit scheduled_snapshot(const Scheduled& given)
{
    const Instance instance = Instance::parse(given.instance);
    return in_one_line("snapshot " + instance.word(),
                       [&] { return snapshot_of_kinds(instance.volume, {instance.rest}, false); });
}

} // namespace

constexpr CommandSpec kScheduledCycle = command<scheduled_cycle>(
    "scheduled cycle", arguments<&Scheduled::instance>("INSTANCE"), "What zumastor-replicate@.service runs.",
    Page{"For zumastor-replicate@.service, which a timer starts. INSTANCE is the "
         "volume, and after a slash the host or the kind.",
         "$ zumastor scheduled cycle data/replica"});
constexpr CommandSpec kScheduledSnapshot = command<scheduled_snapshot>(
    "scheduled snapshot", arguments<&Scheduled::instance>("INSTANCE"),
    "What zumastor-snapshot@.service runs.",
    Page{"For zumastor-snapshot@.service, which a timer starts. INSTANCE is the volume, "
         "and after a slash the host or the kind.",
         "$ zumastor scheduled snapshot data/hourly"});

} // namespace zumastor
