// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/snapshot_ref.h"

#include <algorithm>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/rotation.h"

namespace zumastor {
namespace {

std::string what_there_is(const std::vector<SnapshotEntry>& snapshots)
{
    constexpr std::size_t kShown = 8;
    std::vector<std::string> ids;
    for (auto s = snapshots.rbegin(); s != snapshots.rend() && ids.size() < kShown; ++s) {
        ids.push_back(std::to_string(s->id));
    }
    if (ids.empty()) {
        return "the volume has no snapshots";
    }
    return "its snapshots, newest first: " + join(ids, ", ") + (snapshots.size() > kShown ? ", …" : "");
}

} // namespace

const SnapshotEntry& find_snapshot(const std::vector<SnapshotEntry>& snapshots, const VolumeConfig& config,
                                   const std::string& text)
{
    const auto links = kind_links(snapshots, config.schedule);
    const auto link = links.find(text);
    std::vector<const SnapshotEntry*> found;
    for (const SnapshotEntry& snapshot : snapshots) {
        const bool by_link = link != links.end() && link->second == snapshot.id;
        if (std::to_string(snapshot.id) == text || snapshot.uuid == text || by_link ||
            (!snapshot.name.empty() && snapshot.name == text)) {
            found.push_back(&snapshot);
        }
    }
    if (text == "latest" && !snapshots.empty()) {
        found = {&snapshots.back()};
    }
    if (found.size() > 1) {
        throw Failure(Exit::usage, "volume " + config.name + " has several snapshots '" + text + "'",
                      "name one by its number: zumastor status " + config.name);
    }
    if (found.empty()) {
        throw Failure(Exit::not_found, "volume " + config.name + " has no snapshot " + text,
                      what_there_is(snapshots));
    }
    return *found.front();
}

} // namespace zumastor
