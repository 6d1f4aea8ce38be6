// SPDX-License-Identifier: GPL-2.0
// Several lives of a store in a simulated world, each ended by a power cut, a kill or a close, compared with
// the model after each recovery.
#pragma once

#include <string>

#include "tests/support/store_model.h"

namespace zumastor::test {

struct LivesReport {
    std::uint64_t squashed = 0;
    std::uint64_t swept_entries = 0;
    std::uint64_t checkpoints = 0;
};

// What is wrong; empty if nothing. The seed fixes everything. Adds to *report.
std::string run_world(std::uint64_t seed, const WorldConfig& config, LivesReport* report = nullptr);

} // namespace zumastor::test
