// SPDX-License-Identifier: GPL-2.0
// Assertions that stay on in release builds: a store that has lost its invariants must stop, not go on.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace snapstore {

[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) noexcept
{
    (void)std::fprintf(stderr, "snapstore: assertion failed: %s (%s:%d)\n", what, file, line);
    std::abort();
}

} // namespace snapstore

#define SNAPSTORE_ASSERT(condition)                                                                          \
    (static_cast<bool>(condition) ? static_cast<void>(0)                                                     \
                                  : ::snapstore::assertion_failed(#condition, __FILE__, __LINE__))
