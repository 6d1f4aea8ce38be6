// SPDX-License-Identifier: GPL-2.0
// What `zumastor doctor` looks at. Everything is only read.
#pragma once

#include <string>
#include <vector>

#include "tools/common/failure.h"

namespace zumastor {

enum class Verdict { good, warning, fault };

struct Finding {
    Verdict verdict = Verdict::good;
    std::string subject; // "module", "volume web"
    std::string what;
    std::string next{};       // the remedy; empty if all is well
    Exit code = Exit::failed; // of a fault
};
using Findings = std::vector<Finding>;

// ---- this host (host.cpp; of the module: module.h) ----

// `wants_ssh`: some volume has a source or a target on another host.
Findings examine_host(bool wants_ssh);

// ---- a volume (volume.cpp) ----

// Never throws for what is wrong with the volume: that is what it finds.
Findings examine_volume(const std::string& name);

} // namespace zumastor
