// SPDX-License-Identifier: GPL-2.0
// The journal's blocks and records, and the queue of records that wait for a commit.
//
// A block's place in the ring follows from its sequence number. docs/design.md tells how a cut tail is
// recognised.
#pragma once

#include <span>
#include <vector>

#include "format/disk_format.h"
#include "format/entry.h"
#include "format/superblock.h"
#include "snapstore/error.h"

namespace snapstore {

struct JournalHeader {
    Sequence sequence;
    std::uint64_t incarnation = 0;
    Sequence durable;             // the last one known durable when the block was written; 0 = none
    std::uint64_t superblock = 0; // generation
    std::uint16_t used = 0;       // slots
};

// Where the ring has the block: how many blocks from its beginning, and on the device.
constexpr std::uint64_t ring_index(const Area& ring, Sequence sequence)
{
    return sequence.value % ring.count;
}
constexpr Block journal_block_of(const Area& ring, Sequence sequence)
{
    return ring.first + ring_index(ring, sequence);
}

// Makes a block of the first `header.used` slots that are in `block` already.
void seal_journal_block(std::span<std::byte> block, const Superblock& sb, const JournalHeader& header);
// corrupt if it is not a valid block for its place `number`. Its records are well-formed then.
Result<JournalHeader> unpack_journal_block(std::span<const std::byte> block, const Superblock& sb,
                                           Block number);

inline record_disk load_slot(std::span<const std::byte> block, std::size_t slot)
{
    std::array<std::byte, sizeof(record_disk)> raw{};
    const auto from = block.subspan(sizeof(journal_header_disk) + slot * sizeof(record_disk), raw.size());
    std::copy(from.begin(), from.end(), raw.begin());
    return std::bit_cast<record_disk>(raw);
}

// Number of slots that a record of this type has; 0 = unknown type.
unsigned slots_of(std::uint8_t type) noexcept;

record_disk make_record(RecordType type, Epoch epoch = {}, std::uint64_t value = 0) noexcept;
record_disk make_record(const Entry& entry) noexcept; // add_shared or add_private

// A ring of slots. Never allocates after its construction.
class RecordQueue {
public:
    RecordQueue() = default;
    explicit RecordQueue(std::size_t capacity) : slots_(capacity) {}

    bool has_room(std::size_t slots) const noexcept { return tail_ - head_ + slots <= slots_.size(); }
    void push(std::span<const record_disk> record) noexcept;
    const record_disk& at(std::uint64_t position) const noexcept { return slots_[position % slots_.size()]; }
    void pop_to(std::uint64_t position) noexcept { head_ = position; }
    std::uint64_t head() const noexcept { return head_; }
    std::uint64_t tail() const noexcept { return tail_; } // positions only grow
    bool empty() const noexcept { return head_ == tail_; }

private:
    std::vector<record_disk> slots_;
    std::uint64_t head_ = 0;
    std::uint64_t tail_ = 0;
};

} // namespace snapstore
