// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/kept.h"

#include <algorithm>

#include "tools/common/text.h"
#include "tools/zumastor/volume/rollback.h"
#include "tools/zumastor/volume/snapshots.h"

namespace zumastor {
namespace {

// As `release` takes it: one that was kept by an older version has no name.
std::string word_for(const SnapshotEntry& kept)
{
    return kept.name.empty() ? std::to_string(kept.id) : kept.name;
}

std::string how_to_see(const VolumeConfig& config)
{
    const Volume volume(config);
    const std::string& name = config.name;
    if ((config.master && config.master->mount_snapshots) ||
        (config.source && config.source->mount_snapshots)) {
        return "it is mounted below " + volume.snapshot_directory();
    }
    return config.source ? "to see it: zumastor define source " + name + " " + config.source->host +
                               " --mount-snap, with its present options, then zumastor start source " + name
                         : "to see it: zumastor define master " + name;
}

} // namespace

std::string numbered(const SnapshotEntry& kept)
{
    return "snapshot " + std::to_string(kept.id) + (kept.name.empty() ? "" : " (" + kept.name + ")");
}

SnapshotEntry keep_origin(const Volume& volume, Daemon& daemon, const std::string& kind)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    const auto newest = std::find_if(list.rbegin(), list.rend(),
                                     [](const SnapshotEntry& s) { return is_kept(s) && is_pinned(s); });
    if (newest != list.rend() && origin_equals(volume, daemon, *newest)) {
        return *newest;
    }
    return take_consistent(volume, daemon,
                           {SnapshotTag::need(kind),
                            SnapshotName::from(kind + "-" + format_directory(now_ns())).value(),
                            kNeverSquashed});
}

std::string describe_kept(const VolumeConfig& config, const SnapshotEntry& kept)
{
    return "what only volume " + config.name + " had is held in " + numbered(kept) +
           ", which is not given up, however full the store is";
}

std::string advice_on_kept(const VolumeConfig& config, const SnapshotEntry& kept)
{
    return how_to_see(config) + "; to release it: zumastor release " + config.name + " " + word_for(kept);
}

void tell_kept(const VolumeConfig& config, const SnapshotEntry& kept)
{
    note(describe_kept(config, kept) + "; " + advice_on_kept(config, kept));
}

} // namespace zumastor
