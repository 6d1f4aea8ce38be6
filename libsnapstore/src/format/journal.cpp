// SPDX-License-Identifier: GPL-2.0
#include "format/journal.h"

#include <cstring>

#include "format/block.h"
#include "memory/assertion.h"

namespace snapstore {

void seal_journal_block(std::span<std::byte> block, const Superblock& sb, const JournalHeader& header)
{
    journal_header_disk disk{};
    disk.incarnation = header.incarnation;
    disk.durable = header.durable.value;
    disk.superblock = header.superblock;
    disk.used = header.used;
    store_disk(block, disk);
    const std::size_t end = sizeof disk + header.used * sizeof(record_disk);
    std::memset(block.data() + end, 0, block.size() - end);
    const Block number = journal_block_of(sb.ring, header.sequence);
    seal_block(block, kJournalMagic, number, uuid_prefix(sb.uuid), header.sequence.value);
}

Result<JournalHeader> unpack_journal_block(std::span<const std::byte> block, const Superblock& sb,
                                           Block number)
{
    if (auto ok = verify_block(block, kJournalMagic, number, uuid_prefix(sb.uuid)); !ok) {
        return tl::unexpected(ok.error());
    }
    const auto disk = load_disk<journal_header_disk>(block);
    const JournalHeader header{Sequence{disk.header.generation}, disk.incarnation, Sequence{disk.durable},
                               disk.superblock, disk.used};
    if (header.used > kSlotsPerBlock || journal_block_of(sb.ring, header.sequence) != number) {
        return fail(Errc::corrupt, "journal: header out of range", block_offset(number));
    }
    for (std::size_t slot = 0; slot < header.used;) {
        const record_disk record = load_slot(block, slot);
        const unsigned slots = slots_of(record.type);
        if (slots == 0 || record.slots != slots || slot + slots > header.used) {
            return fail(Errc::corrupt, "journal: malformed record", block_offset(number));
        }
        slot += slots;
    }
    return header;
}

unsigned slots_of(std::uint8_t type) noexcept
{
    switch (static_cast<RecordType>(type)) {
    case RecordType::create:
        return kCreateSlots;
    case RecordType::attach:
        return kAttachSlots;
    case RecordType::add_shared:
    case RecordType::add_private:
    case RecordType::remove:
    case RecordType::squash:
    case RecordType::priority:
    case RecordType::use_count:
    case RecordType::detach:
        return 1;
    case RecordType::none:
        break;
    }
    return 0;
}

record_disk make_record(RecordType type, Epoch epoch, std::uint64_t value) noexcept
{
    record_disk record{};
    record.type = static_cast<std::uint8_t>(type);
    record.slots = static_cast<std::uint8_t>(slots_of(record.type));
    record.epoch = epoch.value;
    record.location = value;
    return record;
}

record_disk make_record(const Entry& entry) noexcept
{
    const auto type = entry.key.is_private() ? RecordType::add_private : RecordType::add_shared;
    record_disk record = make_record(type, Epoch{entry.key.epoch}, entry.location);
    record.chunk = entry.key.chunk().value;
    record.crc = entry.crc;
    return record;
}

void RecordQueue::push(std::span<const record_disk> record) noexcept
{
    SNAPSTORE_ASSERT(has_room(record.size()));
    for (const record_disk& slot : record) {
        slots_[tail_++ % slots_.size()] = slot;
    }
}

} // namespace snapstore
