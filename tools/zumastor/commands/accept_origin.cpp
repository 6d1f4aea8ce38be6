// SPDX-License-Identifier: GPL-2.0
// zumastor accept origin: a disk that was restored, copied or exchanged, and is meant.
#include <cstdio>

#include "tools/common/other_origin.h"
#include "tools/common/process.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/volume/locked_volume.h"

namespace zumastor {
namespace {

struct AcceptOrigin : DryRun, Yes {
    std::string volume;
    bool keep_snapshots = false;
};

// What may be asked of the store: no daemon may have it, and it must be this volume's.
StorePaths need_store_at_rest(Volume& volume)
{
    if (volume.try_daemon() || mapper::find(volume.paths().origin_name)) {
        throw Failure(Exit::busy, volume.what() + " is started, so its origin is accepted already",
                      "to exchange the origin's disk, stop the volume first: zumastor stop volume " +
                          volume.config().name);
    }
    StorePaths paths = volume.attach_devices();
    volume.refuse_wrong_devices(paths);
    return paths;
}

// The question is asked before the lock is taken; what it was about is looked at again under it.
Exit accept_volume_origin(const AcceptOrigin& given)
{
    const std::string name = given.volume;
    Volume before(load_config(name));
    const StorePaths found = need_store_at_rest(before);
    const std::string why = why_other_origin(found);
    if (why.empty()) {
        std::printf("volume %s: its store belongs to origin %s; nothing was changed\n", name.c_str(),
                    before.config().origin.c_str());
        return Exit::ok;
    }
    const bool keep = given.keep_snapshots;
    const std::string what = describe_acceptance(found, keep);
    if (given.dry_run) {
        std::printf("would accept the origin: %s\n", what.c_str());
        return Exit::ok;
    }
    confirm(before.what() + ": " + what, given.yes);
    LockedVolume locked = lock_volume(given.volume);
    const std::size_t lost = accept_origin(need_store_at_rest(locked.volume), keep);
    std::printf("volume %s: origin %s is accepted; %zu snapshots were given up\n", name.c_str(),
                locked.volume.config().origin.c_str(), lost);
    return Exit::ok;
}

constexpr auto kAcceptOriginOptions = option_table<AcceptOrigin>(
    kDryRunOption, kYesOption,
    flag<&AcceptOrigin::keep_snapshots>("--keep-snapshots",
                                        "keep the snapshots: shared chunks show the new origin's content"));

} // namespace

constexpr CommandSpec kAcceptOrigin = command<accept_volume_origin>(
    "accept origin", arguments<&AcceptOrigin::volume>("VOL"),
    "Accept another disk as the volume's origin, e.g. a restored one.", kAcceptOriginOptions,
    Page{"A store knows its origin. A volume with another origin is refused at start, "
         "because its snapshots would be wrong. This command accepts the other origin. "
         "The snapshots are given up, because they shared chunks with the old origin. "
         "With --keep-snapshots the snapshots stay, and their shared chunks show the "
         "new origin's content. The volume must be stopped.",
         "After the origin was restored from a backup:\n"
         "$ zumastor accept origin data"});

} // namespace zumastor
