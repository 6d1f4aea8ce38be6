// SPDX-License-Identifier: GPL-2.0
// A table on disk: a chain of blocks, each naming the next, written anew as a whole by the first checkpoint
// after a change.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "format/block.h"
#include "format/zone.h"
#include "memory/aligned_buffer.h"

namespace snapstore {

class TableChain {
public:
    static constexpr std::size_t per_block(std::size_t entry) { return kTablePayload / entry; }
    static constexpr std::uint64_t blocks_for(std::uint64_t entries, std::size_t entry)
    {
        return (entries + per_block(entry) - 1) / per_block(entry);
    }

    // Makes room so that renew() can take `entries` without allocating memory. The image that a checkpoint
    // may be writing just now stays where it is.
    void reserve(std::uint64_t entries, std::size_t entry_size);

    // Takes new blocks for the table, gives the old ones back, and makes the image to be written.
    // make(index) gives the disk form of an entry.
    template <class Make>
    void renew(Zone& zone, const Uuid& uuid, std::uint64_t generation, TableKind kind, std::uint64_t entries,
               Make&& make)
    {
        using Disk = decltype(make(0));
        take_blocks(zone, blocks_for(entries, sizeof(Disk)));
        std::uint64_t done = 0;
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
            const std::uint64_t here = std::min<std::uint64_t>(per_block(sizeof(Disk)), entries - done);
            const auto image = begin_block(i, kind, here);
            for (std::uint64_t j = 0; j < here; ++j) {
                store_disk(image, make(done + j),
                           sizeof(table_block_disk) - kTablePayload + j * sizeof(Disk));
            }
            done += here;
            seal_block(image, kTableMagic, blocks_[i], uuid_prefix(uuid), generation);
        }
    }

    // While loading: `block` is the next of the chain.
    void loaded(Block block) { blocks_.push_back(block); }

    const std::vector<Block>& blocks() const noexcept { return blocks_; }
    Block head() const noexcept { return blocks_.empty() ? kNoBlock : blocks_.front(); }
    std::span<std::byte> image(std::size_t index) const noexcept { return image_.block(index); }

private:
    void take_blocks(Zone& zone, std::uint64_t count);
    std::span<std::byte> begin_block(std::size_t index, TableKind kind, std::uint64_t count) const;

    std::vector<Block> blocks_;
    AlignedBuffer image_;
    AlignedBuffer larger_; // takes its place at the next renew()
};

} // namespace snapstore
