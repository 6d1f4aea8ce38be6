// SPDX-License-Identifier: GPL-2.0
// systemd, where it is the init: through systemctl, as an administrator would.
#pragma once

#include <string>
#include <vector>

#include "tools/common/process.h"

namespace zumastor {

bool systemd_runs();
ProgramResult systemctl(std::vector<std::string> words);

// Is zumastor-generator where systemd looks for generators? `root`: "/", or another place in tests.
bool has_generator(const std::string& root);
// What to do if it is not.
inline const std::string kInstallGenerator = "apt install zumastor, or from a checkout: cmake --install "
                                             "build/release --prefix /usr; then: systemctl daemon-reload";

// ---- the units of a volume (units/) ----
//
// ddsnapd@VOL.service is its daemon. zumastor@VOL.service brings it up as its configuration says, at boot and
// when its devices appear; it is "active" while the volume is started in its role, whoever did that.

// Is the daemon of this volume a unit here?
bool has_daemon_unit(const std::string& volume);
// Returns when the daemon is ready. Throws with the daemon's own words.
void start_daemon_unit(const std::string& volume);

// A command has started the volume in its role: zumastor@VOL.service is to become active without doing
// anything.
void mark_started(const std::string& volume);
// A command has stopped it. Returns when the unit is inactive.
void mark_stopped(const std::string& volume);
// For the unit itself: true if that is all that it was started for.
bool take_mark(const std::string& volume);

} // namespace zumastor
