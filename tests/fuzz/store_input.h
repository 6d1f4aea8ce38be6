// SPDX-License-Identifier: GPL-2.0
// The input of fuzz target `store`: blocks of a store's devices, so that a mutation meets what is in a block
// and not megabytes of zeros.
//
//   u8   bit 0: with a metadata device
//   then blocks: u16 place; u16 length; so many bytes of its beginning, the rest is zeros
//
// Place: bits 0 … 11 the block's number; bit 14: on the store device, of two; bit 15: data. Blocks that are
// not data get the right number, volume and checksum before they are used.
#pragma once

#include "tests/support/sim_world.h"

namespace zumastor::fuzz {

inline constexpr unsigned kBlockMask = 0xfff;
inline constexpr unsigned kOnStoreDevice = 0x4000;
inline constexpr unsigned kData = 0x8000;

inline test::WorldConfig store_world(bool with_meta)
{
    test::WorldConfig config;
    config.origin = snapstore::Bytes{256ULL << 10};
    config.store = snapstore::Bytes{2ULL << 20};
    config.meta = snapstore::Bytes{with_meta ? 2ULL << 20 : 0};
    return config;
}

} // namespace zumastor::fuzz
