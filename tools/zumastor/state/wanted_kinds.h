// SPDX-License-Identifier: GPL-2.0
// Kinds that `zumastor snapshot` asked for on a replica: they are taken with the next snapshot that is
// received. /var/lib/zumastor/.state/VOL/wanted-kinds.json, changed under the volume's lock only:
// replica.json belongs to the reception under way, which may take hours.
#pragma once

#include <string>
#include <vector>

#include "tools/common/border.h"

namespace zumastor {

// In the order in which they were asked for, each once. Throws if the file is there and not understood.
std::vector<std::string> load_wanted_kinds(const std::string& state_directory);
void add_wanted_kinds(const std::string& state_directory, const std::vector<std::string>& kinds);
void remove_wanted_kinds(const std::string& state_directory, const std::vector<std::string>& kinds);

// The kinds of a snapshot that is being received: the sender's, and those wanted here as far as there is
// room. One that the sender took for replication alone gets those wanted here instead.
struct TagWithWanted {
    SnapshotTag tag;
    std::vector<std::string> taken; // of the wanted ones, those that are in it
};
TagWithWanted add_to_tag(const SnapshotTag& tag, const std::vector<std::string>& wanted);

} // namespace zumastor
