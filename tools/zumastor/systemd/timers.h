// SPDX-License-Identifier: GPL-2.0
// Keeps systemd's timers what the configuration says. Where systemd is not the init, the configuration is all
// there is, and the administrator is told what to give to cron.
#pragma once

#include <string>

#include "tools/zumastor/config/config.h"
#include "tools/zumastor/config/troubles.h"

namespace zumastor {

// After a configuration was saved: ends the timers that it asks for no longer, begins those that are new or
// have changed, and lets systemd know what the volume's other units wait for. Throws Exit::partly if systemd
// does not do it: the configuration stands.
void follow_config(const VolumeConfig& before, const VolumeConfig& now);
// Saves a configuration and has systemd follow it; what systemd does not do is a trouble, no reason to stop
// halfway.
void save_and_follow(const VolumeConfig& before, const VolumeConfig& now, Troubles& troubles);
// For a volume that is stopped, and started again. What systemd says is only noted: the volume is what
// counts.
void rest_timers(const VolumeConfig& config);
void wake_timers(const VolumeConfig& config);

// Begins the unit of a cycle and returns at once. False if there is no such unit.
bool begin_cycle_unit(const std::string& volume, const HostName& host);
// Ends it if it runs. Returns when it has ended.
void end_cycle_unit(const std::string& volume, const HostName& host);

} // namespace zumastor
