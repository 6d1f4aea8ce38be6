// SPDX-License-Identifier: GPL-2.0
// What units run: a failure is one line in the journal, of a priority that stands out.
#pragma once

#include <cstdio>
#include <string>

#include "tools/common/failure.h"

namespace zumastor {

// Runs `command`. "<3>" makes it an error to whoever reads the journal; see sd-daemon(3).
template <class Command>
Exit in_one_line(const std::string& what, const Command& command)
{
    try {
        return command();
    } catch (const Failure& failure) {
        std::fflush(stdout);
        std::fprintf(stderr, "<3>%s: %s%s%s (exit code %d)\n", what.c_str(), failure.what(),
                     failure.next().empty() ? "" : "; ", failure.next().c_str(),
                     static_cast<int>(failure.code()));
        return failure.code();
    }
}

} // namespace zumastor
