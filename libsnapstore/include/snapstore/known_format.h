// SPDX-License-Identifier: GPL-2.0
#pragma once

#include <cstdint>

namespace snapstore {

// What of stores this version understands (docs/store-format.md): a store with another version of the format,
// or with feature bits that are not among these, is refused.
struct KnownFormat {
    std::uint32_t version = 0;
    std::uint64_t ro_compat = 0;
    std::uint64_t incompat = 0;
};
KnownFormat known_format();

} // namespace snapstore
