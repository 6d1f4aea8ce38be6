// SPDX-License-Identifier: GPL-2.0
// The superblocks on the devices: reading them at open(), and those by which a store device is known to its
// metadata device. (The newest one's successors are written by the checkpoint.)
//
// May call: Context.
#pragma once

#include "memory/aligned_buffer.h"
#include "store/context.h"

namespace snapstore {

// Reads both copies into `buffer`, and chooses.
Task<Result<Superblock>> read_copies(FramePool& frames, BlockDevice& device, const AlignedBuffer& buffer);
// Finds the newest superblock, for ctx.sb, on devices that belong together.
Task<Result<void>> read_superblocks(Context& ctx);
// Are the devices as large as the superblock says?
Result<void> check_devices(const Context& ctx);
// The superblocks by which the store device is known to the metadata device's, one after the other.
Task<Result<void>> write_identity(Context& ctx, std::uint64_t data_chunks);

} // namespace snapstore
