// SPDX-License-Identifier: GPL-2.0
// Replay: what the journal holds beyond the checkpoint. docs/design.md explains how the end is found.
#include "block.h"
#include "crc32c.h"
#include "store_impl.h"

namespace snapstore {

Task<Result<AlignedBuffer>> Store::Impl::read_ring()
{
    constexpr std::uint64_t kStep = 256; // blocks
    AlignedBuffer ring(sb.journal.count * kBlockSize.value);
    for (std::uint64_t i = 0; i < sb.journal.count; i += kStep) {
        const std::uint64_t count = std::min(kStep, sb.journal.count - i);
        const std::uint64_t where = block_offset(sb.journal.first + i);
        const IoStatus status = co_await DeviceIo(meta_device(), IoRequest::Op::read, Bytes{where},
                                                  ring.span(block_offset(i), block_offset(count)));
        if (status != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot read the journal", where);
        }
    }
    co_return std::move(ring);
}

namespace {

Result<JournalHeader> header_at(const AlignedBuffer& ring, const Superblock& sb, std::uint64_t index)
{
    return unpack_journal_block(ring.block(index), sb, sb.journal.first + index);
}

bool continues(const Result<JournalHeader>& header, const Superblock& sb, std::uint64_t sequence)
{
    const bool same_life =
        header && (header->incarnation == sb.incarnation || has_bug(PlantedBug::stale_incarnation_accepted));
    return same_life && header->sequence == sequence && header->durable < sequence;
}

} // namespace

// The first sequence number that is not there; `durable`: the last one known to have been durable.
Result<std::uint64_t> Store::Impl::find_journal_end(const AlignedBuffer& ring, std::uint64_t& durable) const
{
    std::uint64_t sequence = sb.journal_start;
    for (; sequence - sb.journal_start < sb.journal.count; ++sequence) {
        const auto header = header_at(ring, sb, sequence % sb.journal.count);
        if (!continues(header, sb, sequence)) {
            break;
        }
        if (header->superblock > sb.generation) {
            return fail(Errc::corrupt, "the newest superblock is lost", block_offset(sb.home()));
        }
        durable = std::max(durable, header->durable);
    }
    return sequence;
}

// A block beyond `end` that says that `end` was durable proves that acknowledged records are damaged.
Result<void> Store::Impl::find_lost_commits(const AlignedBuffer& ring, std::uint64_t end) const
{
    if (has_bug(PlantedBug::stale_incarnation_accepted)) {
        return {};
    }
    for (std::uint64_t i = 0; i < sb.journal.count; ++i) {
        const auto header = header_at(ring, sb, i);
        if (!header || header->incarnation < sb.incarnation) {
            continue;
        }
        if (header->incarnation > sb.incarnation || header->superblock > sb.generation) {
            return fail(Errc::corrupt, "the newest superblock is lost", block_offset(sb.home()));
        }
        if (header->sequence >= end && header->durable >= end) {
            return fail(Errc::corrupt, "journal: a committed block is damaged",
                        block_offset(journal_block_of(sb.journal, end)));
        }
    }
    return {};
}

Task<Result<void>> Store::Impl::replay(OpenReport& report)
{
    auto ring = co_await read_ring();
    if (!ring) {
        co_return tl::unexpected(ring.error());
    }
    std::uint64_t durable = sb.journal_start - 1;
    auto end = find_journal_end(*ring, durable);
    if (end) {
        if (auto ok = find_lost_commits(*ring, *end); !ok) {
            end = tl::unexpected(ok.error());
        }
    }
    if (!end) {
        co_return tl::unexpected(end.error());
    }
    for (std::uint64_t sequence = sb.journal_start; sequence < *end; ++sequence) {
        const auto block = ring->block(sequence % sb.journal.count);
        const auto header = header_at(*ring, sb, sequence % sb.journal.count);
        if (sequence > durable && !has_bug(PlantedBug::tail_without_data_crc)) {
            const auto matches = co_await data_matches(block, header->used);
            if (!matches) {
                co_return tl::unexpected(matches.error());
            }
            if (!*matches) {
                report.discarded_blocks = *end - sequence;
                break;
            }
        }
        auto ok = replay_block(block, header->used);
        if (!ok) {
            co_return fail(ok.error().code, ok.error().what,
                           block_offset(journal_block_of(sb.journal, sequence)));
        }
        for (std::size_t slot = 0; slot < header->used; slot += load_slot(block, slot).slots) {
            ++report.replayed_records;
        }
        applied_sequence = sequence + 1;
    }
    co_return Result<void>{};
}

// Are the data on the store that the block's shared exceptions name?
Task<Result<bool>> Store::Impl::data_matches(std::span<const std::byte> block, std::size_t used)
{
    const AlignedBuffer buffer(chunk_bytes());
    for (std::size_t slot = 0; slot < used; slot += load_slot(block, slot).slots) {
        const record_disk record = load_slot(block, slot);
        const bool shared = record.type == static_cast<std::uint8_t>(RecordType::add_shared);
        if (!shared || (record.location & kZeroLocation) != 0) {
            continue;
        }
        const std::uint64_t store_chunk = record.location & kLocationMask;
        if (store_chunk >= sb.data_chunks) {
            co_return fail(Errc::corrupt, "journal: store chunk out of range");
        }
        const Bytes offset = store_offset(store_chunk);
        const IoStatus status = co_await DeviceIo(store_device(), IoRequest::Op::read, offset, buffer.span());
        if (status != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot read a copied chunk", offset.value);
        }
        if (crc32c(buffer.span(0, chunk_bytes())) != record.crc) {
            co_return false;
        }
    }
    co_return true;
}

Result<void> Store::Impl::replay_block(std::span<const std::byte> block, std::size_t used)
{
    std::array<record_disk, kCreateSlots> record;
    for (std::size_t slot = 0; slot < used;) {
        const std::size_t slots = load_slot(block, slot).slots;
        for (std::size_t s = 0; s < slots; ++s) {
            record[s] = load_slot(block, slot + s);
        }
        const std::uint64_t bound = tree->insert_bound(1);
        if (nodes.free() < bound) {
            nodes.grow(std::max<std::size_t>(256, nodes.size() / 4));
        }
        if (blocks.free() < bound + reserved_blocks() - kSpareBlocks) {
            return fail(Errc::corrupt, "metadata zone too small for what it holds");
        }
        if (auto ok = apply(std::span(record).first(slots), true); !ok) {
            return ok;
        }
        slot += slots;
    }
    return {};
}

} // namespace snapstore
