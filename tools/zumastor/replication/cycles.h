// SPDX-License-Identifier: GPL-2.0
// Cycles of a volume, begun here: to its targets, or from its source.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/failure.h"
#include "tools/zumastor/replication/session_ends.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// To the target `host`, to all targets, or ("") from the source. Throws if there is none such.
std::vector<HostName> cycles_asked_for(const Volume& volume, const std::optional<HostName>& host);

// Runs them, one after the other. With one cycle its failure is thrown; of several each is said, and the
// first one's code returned if all have failed. Exit::partly if some have, or if something beside a transfer
// was not done.
Exit run_cycles(const std::string& volume, const std::optional<HostName>& host, const CycleOptions& options);

} // namespace zumastor
