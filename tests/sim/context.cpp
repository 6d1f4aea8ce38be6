// SPDX-License-Identifier: GPL-2.0
#include "sim/context.h"

#include <cstdio>

namespace sim {

void Context::add_line(std::string line)
{
    if (print_) {
        std::fprintf(stderr, "%s\n", line.c_str());
    }
    lines_.push_back(std::move(line));
    while (lines_.size() > keep_) {
        lines_.pop_front();
    }
}

} // namespace sim
