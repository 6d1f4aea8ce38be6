// SPDX-License-Identifier: GPL-2.0
// What a replica shows: its newest complete snapshot. While the next one arrives it must not be squashed if
// the store fills up: neither its readers nor a way back would be left. Older snapshots go first; when none
// is left, the stream is refused.
#pragma once

#include <string>

#include "tools/common/daemon.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Mounts the newest complete snapshot at the volume's mount point, if there is one. The caller has the
// volume's lock.
void show_newest(Volume& volume, Daemon& daemon);

// Gives the snapshot with this UUID the priority that is never squashed, and remembers, on disk, which it
// had. One that was protected before is released. Nothing if there is no such snapshot.
void protect_shown(const std::string& state_directory, Daemon& daemon, const std::string& uuid);

// Gives the protected snapshot its priority back, unless somebody has changed it meanwhile.
void release_shown(const std::string& state_directory, Daemon& daemon);

} // namespace zumastor
