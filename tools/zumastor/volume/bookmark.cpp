// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/bookmark.h"

#include <algorithm>

#include "tools/common/process.h"
#include "tools/zumastor/state/bookmark_file.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {
namespace {

using Snapshots = std::vector<SnapshotEntry>;

const SnapshotEntry* find_live(const Snapshots& list, const std::string& uuid)
{
    const auto found = std::find_if(list.begin(), list.end(),
                                    [&](const SnapshotEntry& s) { return s.uuid == uuid && !s.squashed; });
    return found == list.end() ? nullptr : &*found;
}

const SnapshotEntry* newest_live(const Snapshots& list)
{
    const auto found =
        std::find_if(list.rbegin(), list.rend(), [](const SnapshotEntry& s) { return !s.squashed; });
    return found == list.rend() ? nullptr : &*found;
}

ChangelistHeader::End end_of(const SnapshotEntry& snapshot)
{
    return {snapshot.id, snapshot.uuid, snapshot.sectors};
}

// The list of `target` up to `newest`; empty if what it needs is gone.
std::optional<Changelist> make_bookmark(const Volume& volume, Daemon& daemon, const Snapshots& list,
                                        const TargetState& target, const SnapshotEntry& newest)
{
    if (const SnapshotEntry* base = find_live(list, target.base)) {
        const VolumeEntry store = daemon.status();
        return Changelist{{store.uuid, store.chunk_bytes, end_of(*base), end_of(newest)},
                          ranges_between(daemon, *base, newest)};
    }
    auto known = load_bookmark(volume.paths().state, target.replica);
    const SnapshotEntry* end = known ? find_live(list, known->header.to.uuid) : nullptr;
    if (end == nullptr || known->header.from.uuid != target.base) {
        return std::nullopt;
    }
    known->ranges = merge_ranges(known->ranges, ranges_between(daemon, *end, newest));
    known->header.to = end_of(newest);
    return known;
}

} // namespace

std::vector<DeltaRange> merge_ranges(const std::vector<DeltaRange>& one, const std::vector<DeltaRange>& other)
{
    std::vector<DeltaRange> all(one.size() + other.size());
    std::merge(one.begin(), one.end(), other.begin(), other.end(), all.begin(),
               [](const DeltaRange& a, const DeltaRange& b) { return a.first < b.first; });
    std::vector<DeltaRange> merged;
    for (const DeltaRange& range : all) {
        if (!merged.empty() && range.first <= merged.back().first + merged.back().count) {
            DeltaRange& last = merged.back();
            last.count = std::max(last.first + last.count, range.first + range.count) - last.first;
        } else {
            merged.push_back(range);
        }
    }
    return merged;
}

std::vector<DeltaRange> ranges_between(Daemon& daemon, const SnapshotEntry& one, const SnapshotEntry& other)
{
    std::vector<DeltaRange> ranges;
    if (one.uuid != other.uuid) {
        const bool in_order = one.epoch < other.epoch;
        daemon.delta(in_order ? one : other, in_order ? other : one, 0, [&](const DeltaRange& range) {
            ranges.push_back(range);
            return true;
        });
    }
    return ranges;
}

void update_bookmarks(const Volume& volume, Daemon& daemon)
{
    const std::string& directory = volume.paths().state;
    const Snapshots list = daemon.list();
    const SnapshotEntry* newest = newest_live(list);
    for (TargetState target : load_target_states(directory)) {
        if (target.base.empty() || newest == nullptr || target.marked == newest->uuid) {
            continue;
        }
        if (target.base == newest->uuid) { // it lacks nothing
            target.marked.clear();
            save_target_state(directory, target);
            remove_file(bookmark_file(directory, target.replica));
        } else if (const auto made = make_bookmark(volume, daemon, list, target, *newest)) {
            write_changelist(*made, bookmark_file(directory, target.replica));
            target.marked = newest->uuid;
            save_target_state(directory, target);
        }
    }
}

} // namespace zumastor
