// SPDX-License-Identifier: GPL-2.0
// Whose replica a master was before it was promoted: /var/lib/zumastor/.state/VOL/former.json. As long as it
// is there, the snapshot that both had then is kept, so that the old master can come back with a delta.
#pragma once

#include <optional>
#include <string>

#include "tools/zumastor/config/config.h"

namespace zumastor {

struct FormerSource {
    SourceRole source;
    std::string base; // UUID of the snapshot that it was promoted with

    bool operator==(const FormerSource&) const = default;
};

// Empty: it was nobody's, or that is over. Throws if the file is there and not understood.
std::optional<FormerSource> load_former_source(const std::string& directory);
void save_former_source(const std::string& directory, const FormerSource& former);
// It is a replica again: `last` of replica_state.h is kept as one's.
void remove_former_source(const std::string& directory);
// Gives it up: `last` is not kept any more. The lineage stays what it is. False if there is nothing to give
// up.
bool forget_former_source(const std::string& directory);
// If `replica`, which has just got a newer snapshot, is the first master come back: `last` need not be kept
// any more. Who it was stays known, for the way back.
void release_former_base(const std::string& directory, const std::string& replica);

} // namespace zumastor
