// SPDX-License-Identifier: GPL-2.0
// zumastor snapshot: one that is taken now.
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/volume/snapshot_of_kinds.h"

namespace zumastor {
namespace {

struct Snapshot : DryRun {
    std::string volume;
    std::vector<std::string> kinds;
};

Exit take_snapshot(const Snapshot& given)
{
    return snapshot_of_kinds(given.volume, given.kinds, given.dry_run);
}

constexpr auto kSnapshotOptions = option_table<Snapshot>(kDryRunOption);

} // namespace

constexpr CommandSpec kSnapshot =
    command<take_snapshot>("snapshot", arguments<&Snapshot::volume, &Snapshot::kinds>("VOL [KIND...]"),
                           "Take a snapshot, mount it and rotate its kinds.", kSnapshotOptions,
                           Page{"The filesystem is frozen for a moment, in whichever mount namespace it is "
                                "mounted. The snapshot's number is printed. Without a kind, the snapshot "
                                "stays until it is deleted. On a replica, the next snapshot from the source "
                                "gets these kinds, too.",
                                "$ zumastor snapshot data\n"
                                "$ zumastor snapshot data hourly"});

} // namespace zumastor
