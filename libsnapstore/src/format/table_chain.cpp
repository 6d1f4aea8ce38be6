// SPDX-License-Identifier: GPL-2.0
#include "format/table_chain.h"

#include <algorithm>
#include <utility>

#include "memory/assertion.h"

namespace snapstore {

void TableChain::reserve(std::uint64_t entries, std::size_t entry_size)
{
    const std::uint64_t blocks = blocks_for(entries, entry_size);
    if (std::max(image_.size(), larger_.size()) < blocks * kBlockSize.value) {
        const std::uint64_t roomy = blocks + blocks / 2 + 4;
        larger_ = AlignedBuffer(roomy * kBlockSize.value);
        blocks_.reserve(roomy);
    }
}

void TableChain::take_blocks(Zone& zone, std::uint64_t count)
{
    if (larger_.size() > image_.size()) {
        image_ = std::move(larger_);
        larger_ = AlignedBuffer();
    }
    SNAPSTORE_ASSERT(image_.size() >= count * kBlockSize.value);
    for (const Block block : blocks_) {
        zone.free_later(block);
    }
    blocks_.clear();
    while (blocks_.size() < count) {
        const Zone::Run run = zone.allocate(count - blocks_.size());
        SNAPSTORE_ASSERT(run.count > 0); // kept in reserve: Room::reserved_blocks()
        for (std::uint64_t i = 0; i < run.count; ++i) {
            blocks_.push_back(run.first + i);
        }
    }
}

std::span<std::byte> TableChain::begin_block(std::size_t index, TableKind kind, std::uint64_t count) const
{
    const auto image = image_.block(index);
    std::memset(image.data(), 0, image.size());
    auto disk = load_disk<table_block_disk>(image);
    disk.next = (index + 1 < blocks_.size() ? blocks_[index + 1] : kNoBlock).value;
    disk.kind = static_cast<std::uint16_t>(kind);
    disk.count = static_cast<std::uint16_t>(count);
    store_disk(image, disk);
    return image;
}

} // namespace snapstore
