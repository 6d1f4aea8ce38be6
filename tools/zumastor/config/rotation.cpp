// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/rotation.h"

#include <algorithm>
#include <set>

#include "tools/common/text.h"
#include "tools/zumastor/config/kinds.h"

namespace zumastor {
namespace {

// A kind that is not scheduled is not limited.
std::uint64_t kept(const std::vector<Kind>& schedule, const std::string& name)
{
    const Kind* kind = find_kind(schedule, name);
    return kind != nullptr ? kind->keep : UINT64_MAX;
}

} // namespace

std::vector<std::string> kinds_of(const SnapshotEntry& snapshot) { return snapshot.tag.kinds(); }

std::vector<std::uint64_t> rotated_out(const std::vector<SnapshotEntry>& snapshots,
                                       const std::vector<Kind>& schedule)
{
    std::map<std::string, std::uint64_t> seen; // how many of a kind are at least as new
    std::vector<std::uint64_t> out;
    for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot) {
        if (is_kept(*snapshot)) {
            continue; // until it is released, whatever else it is, and whatever a schedule says
        }
        const std::vector<std::string> kinds = kinds_of(*snapshot);
        bool wanted = kinds.empty();
        for (const std::string& name : kinds) {
            wanted = ++seen[name] <= kept(schedule, name) || wanted;
        }
        if (!wanted) {
            out.push_back(snapshot->id);
        }
    }
    std::reverse(out.begin(), out.end());
    return out;
}

std::map<std::string, std::uint64_t> kind_links(const std::vector<SnapshotEntry>& snapshots,
                                                const std::vector<Kind>& schedule)
{
    std::map<std::string, std::uint64_t> next;
    std::map<std::string, std::uint64_t> links;
    for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot) {
        if (snapshot->squashed) {
            continue;
        }
        for (const std::string& kind : kinds_of(*snapshot)) {
            if (const std::uint64_t place = next[kind]++; place < kept(schedule, kind)) {
                links[kind + "." + std::to_string(place)] = snapshot->id;
            }
        }
    }
    return links;
}

std::map<std::uint64_t, std::string> directory_names(const std::vector<SnapshotEntry>& snapshots)
{
    std::map<std::uint64_t, std::string> names;
    std::set<std::string> taken;
    for (const SnapshotEntry& snapshot : snapshots) {
        std::string name = format_directory(snapshot.created_ns);
        if (!taken.insert(name).second) {
            name += "." + std::to_string(snapshot.id);
        }
        names[snapshot.id] = std::move(name);
    }
    return names;
}

bool is_kind_link(const std::string& name)
{
    const std::size_t dot = name.rfind('.');
    return dot != std::string::npos && dot > 0 && dot + 1 < name.size() &&
           name.find_first_not_of("0123456789", dot + 1) == std::string::npos && name.find('.') == dot;
}

} // namespace zumastor
