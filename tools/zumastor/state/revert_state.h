// SPDX-License-Identifier: GPL-2.0
// A revert that was begun, in /var/lib/zumastor/.state/VOL/revert.json. While that is there the origin holds
// neither what it held nor what it is to hold: nothing may be mounted or taken of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/daemon.h"

namespace zumastor {

struct RevertState {
    struct Kept { // not to be squashed meanwhile, however full the store gets
        std::string uuid;
        int priority = 0; // that it had
    };
    std::string to;         // UUID of the snapshot whose content the origin is getting
    std::string undo;       // of the one that holds what it had; empty: that was not wanted
    std::vector<Kept> kept; // those two
};

// Throws Exit::failed if the file is not understood.
std::optional<RevertState> load_revert(const std::string& state_directory);
void save_revert(const std::string& state_directory, const RevertState& state);
void forget_revert(const std::string& state_directory);

// Protects `to` and `undo` and remembers, on disk, which priorities they had. Both must be in the store.
void begin_revert(const std::string& state_directory, Daemon& daemon, const std::string& to,
                  const std::string& undo);
// Gives the priorities back, unless somebody has changed them, and forgets the revert.
void end_revert(const std::string& state_directory, Daemon& daemon);

// Throws Exit::failed, with what to do, if a revert of the volume was begun and not finished.
void refuse_half_reverted(const std::string& state_directory, const std::string& volume);

} // namespace zumastor
