// SPDX-License-Identifier: GPL-2.0
// The systemd units of a volume: what its configuration asks for, what they are called and what is in them.
// The services are templates that are installed (units/); the timers, and what the services wait for, are
// made of the configuration by zumastor-generator, at boot and at every `systemctl daemon-reload`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/zumastor/config/config.h"

namespace zumastor {

// What a timer starts, as one word that its unit hands on: "VOL" (a cycle from its source), "VOL/HOST" (to a
// target), "VOL/KIND" (a snapshot). No volume's, host's or kind's name has a slash.
struct Instance {
    std::string volume;
    std::string rest; // empty: none

    std::string word() const { return rest.empty() ? volume : volume + "/" + rest; }
    static Instance parse(const std::string& word);
};

// As systemd-escape: "/" becomes "-", what unit names may not have becomes \xNN.
std::string escape_unit(const std::string& word);

// zumastor-replicate@….SUFFIX; no host: from its source. SUFFIX is "timer" or "service".
std::string replicate_unit(const std::string& volume, const HostName& host, const std::string& suffix);
std::string snapshot_unit(const std::string& volume, const std::string& kind, const std::string& suffix);

std::string daemon_unit(const std::string& volume); // ddsnapd@VOL.service
std::string volume_unit(const std::string& volume); // zumastor@VOL.service
// False if names of its units would be longer than systemd takes: most marks count four characters there.
bool fits_units(const std::string& volume, const HostName& host = {});
// Of a path below /dev.
std::string device_unit(const std::string& path);

// The device units that a volume rests on; none for files.
std::vector<std::string> devices_of(const VolumeConfig& config);
// What zumastor@VOL.service waits for, as a drop-in of it; empty if that is nothing.
std::string volume_drop_in(const VolumeConfig& config);
// What a timer begins waits until the volume is up, or cannot come up, while the system boots: a drop-in.
std::string timed_drop_in(const VolumeConfig& config);

struct Timer {
    std::string unit; // its name
    std::string text; // its unit file
    std::string cron; // a line for /etc/cron.d that comes close, where there is no systemd
    bool operator==(const Timer&) const = default;

    std::string service() const; // the unit that it starts
};

// Cycles at intervals that are not stopped, and the kinds of the schedule that have a time of their own.
std::vector<Timer> timers_of(const VolumeConfig& config);

// Timer or null.
const Timer* find_timer(const std::vector<Timer>& timers, const std::string& unit);

} // namespace zumastor
