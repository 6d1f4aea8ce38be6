// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/kinds.h"

#include <algorithm>
#include <vector>

namespace zumastor {

bool is_kept_kind(const std::string& kind)
{
    return kind == kUndoKind || kind == kReversedKind || kind == kTakenBackKind;
}

bool is_kept(const SnapshotEntry& snapshot)
{
    const std::vector<std::string> kinds = snapshot.tag.kinds();
    return std::any_of(kinds.begin(), kinds.end(), is_kept_kind);
}

bool is_pinned(const SnapshotEntry& snapshot)
{
    return snapshot.priority == kNeverSquashed && !snapshot.squashed;
}

} // namespace zumastor
