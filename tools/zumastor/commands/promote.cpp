// SPDX-License-Identifier: GPL-2.0
// zumastor promote: a replica becomes the master.
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/replication/promotion.h"

namespace zumastor {
namespace {

struct Promote : Force, Yes, DryRun {
    std::string volume;
};

Exit run_promote(const Promote& given)
{
    return promote({given.volume, MasterRole{}, given.force, given.yes, given.dry_run});
}

constexpr auto kPromoteOptions = option_table<Promote>(kForceOption, kYesOption, kDryRunOption);

} // namespace

constexpr CommandSpec kPromote =
    command<run_promote>("promote", arguments<&Promote::volume>("VOL"),
                         "Make a replica the master, with its last complete snapshot.", kPromoteOptions,
                         Page{"Fails over to this replica. An unfinished cycle is taken back. If the "
                              "replica is in use, the command is refused; --force cuts its users off. The "
                              "snapshot that both sides have is held, so that reverse can make the old "
                              "master a replica.",
                              "$ zumastor promote data"});

} // namespace zumastor
