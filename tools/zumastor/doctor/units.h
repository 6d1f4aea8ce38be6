// SPDX-License-Identifier: GPL-2.0
// What the doctor says of systemd's units, as systemd shows them.
#pragma once

#include <optional>
#include <string>

#include "tools/zumastor/doctor/doctor.h"

namespace zumastor {

struct UnitFacts {
    std::string unit;
    std::string load;   // "loaded", "not-found", "masked"
    std::string active; // "active", "inactive", "failed"
    std::string result; // "success", "exit-code", "watchdog"
    std::string status; // its own last words; mostly empty
};

// Of what `systemctl show` prints.
UnitFacts parse_unit(const std::string& unit, const std::string& shown);
// As systemd has it now.
UnitFacts read_unit(const std::string& unit);

// Of zumastor@VOL.service or ddsnapd@VOL.service; empty if all is well. `start`: the command that starts the
// volume.
std::optional<Finding> check_unit(const UnitFacts& facts, const std::string& subject,
                                  const std::string& start);
// Of a timer that the configuration asks for.
std::optional<Finding> check_timer(const UnitFacts& facts, const std::string& subject);

// Is zumastor-generator where systemd looks for generators? `root`: "/", or another place in tests.
Finding examine_generator(const std::string& root);

} // namespace zumastor
