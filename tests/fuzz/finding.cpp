// SPDX-License-Identifier: GPL-2.0
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"

namespace zumastor::fuzz {

void finding(const char* what)
{
    (void)std::fprintf(stderr, "finding: %s\n", what);
    std::abort();
}

} // namespace zumastor::fuzz
