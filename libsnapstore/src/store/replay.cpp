// SPDX-License-Identifier: GPL-2.0
#include "store/replay.h"

#include <algorithm>
#include <array>

#include "format/crc32c.h"
#include "store/planted_bugs.h"

namespace snapstore {

// The journal as it was read. What cannot be read is taken for torn, block by block: a disk may lose one
// sector in the parts that nobody needs, and the sector that it was writing when the power failed.
struct Replay::Ring {
    explicit Ring(std::uint64_t count) : blocks(count * kBlockSize.value), unreadable(count) {}
    AlignedBuffer blocks;
    Bitmap unreadable;
};

Task<Result<void>> Replay::read_ring(Ring& ring)
{
    constexpr std::uint64_t kStep = 256; // blocks
    for (std::uint64_t i = 0; i < ctx_.sb.ring.count; i += kStep) {
        const std::uint64_t count = std::min(kStep, ctx_.sb.ring.count - i);
        const IoStatus status =
            co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::read, block_offset(ctx_.sb.ring.first + i),
                              ring.blocks.blocks(i, count));
        if (auto ok = ctx_.may_go_on_opening(); !ok) {
            co_return ok;
        }
        if (status != IoStatus::ok) {
            if (auto ok = co_await read_ring_blocks(ring, i, count); !ok) {
                co_return ok;
            }
        }
    }
    co_return Result<void>{};
}

Task<Result<void>> Replay::read_ring_blocks(Ring& ring, std::uint64_t first, std::uint64_t count)
{
    bool any = false;
    for (std::uint64_t i = first; i < first + count; ++i) {
        const IoStatus status = co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::read,
                                                  block_offset(ctx_.sb.ring.first + i), ring.blocks.block(i));
        if (auto ok = ctx_.may_go_on_opening(); !ok) {
            co_return ok;
        }
        any = any || status == IoStatus::ok;
        if (status != IoStatus::ok) {
            ring.unreadable.set(i);
        }
    }
    if (!any) { // the device rather than a sector
        co_return fail(Errc::io_error, "cannot read the journal", block_offset(ctx_.sb.ring.first + first));
    }
    co_return Result<void>{};
}

// What is there in the ring, whose ever it is.
Result<JournalHeader> Replay::header_in(const Ring& ring, std::uint64_t index) const
{
    if (ring.unreadable.test(index)) {
        return fail(Errc::io_error, "journal: unreadable", block_offset(ctx_.sb.ring.first + index));
    }
    return unpack_journal_block(ring.blocks.block(index), ctx_.sb, ctx_.sb.ring.first + index);
}

// What is there in place of this block: itself, if it was written.
Result<JournalHeader> Replay::header_of(const Ring& ring, Sequence sequence) const
{
    return header_in(ring, ring_index(ctx_.sb.ring, sequence));
}

namespace {

bool continues(const Result<JournalHeader>& header, const Superblock& sb, Sequence sequence)
{
    const bool same_life = header && (header->incarnation == sb.journal.incarnation ||
                                      has_bug(PlantedBug::stale_incarnation_accepted));
    return same_life && header->sequence == sequence && header->durable < sequence;
}

} // namespace

// The first block that is not there; `durable`: the last one known to have been durable.
Result<Sequence> Replay::find_journal_end(const Ring& ring, Sequence& durable) const
{
    Sequence sequence = ctx_.sb.journal.start;
    for (; sequence - ctx_.sb.journal.start < ctx_.sb.ring.count; ++sequence) {
        const auto header = header_of(ring, sequence);
        if (!continues(header, ctx_.sb, sequence)) {
            break;
        }
        if (header->superblock > ctx_.sb.generation) {
            return fail(Errc::corrupt, "the newest superblock is lost", block_offset(ctx_.sb.home()));
        }
        durable = std::max(durable, header->durable);
    }
    return sequence;
}

// A block beyond `end` that says that `end` was durable proves that acknowledged records are damaged.
Result<void> Replay::find_lost_commits(const Ring& ring, Sequence end) const
{
    if (has_bug(PlantedBug::stale_incarnation_accepted)) {
        return {};
    }
    for (std::uint64_t i = 0; i < ctx_.sb.ring.count; ++i) {
        const auto header = header_in(ring, i);
        if (!header || header->incarnation < ctx_.sb.journal.incarnation) {
            continue;
        }
        if (header->incarnation > ctx_.sb.journal.incarnation || header->superblock > ctx_.sb.generation) {
            return fail(Errc::corrupt, "the newest superblock is lost", block_offset(ctx_.sb.home()));
        }
        if (header->sequence >= end && header->durable >= end) {
            return fail(Errc::corrupt, "journal: a committed block is damaged",
                        block_offset(journal_block_of(ctx_.sb.ring, end)));
        }
    }
    return check_unreadable_end(ring, end);
}

// If the block at `end` cannot be read, the one that would prove that it was committed must be readable: it
// is among those that come next, up to the longest commit further on. It is not there if a block that was
// never written in this turn of the ring comes before.
Result<void> Replay::check_unreadable_end(const Ring& ring, Sequence end) const
{
    const auto unreadable = [&](Sequence sequence) {
        return ring.unreadable.test(ring_index(ctx_.sb.ring, sequence));
    };
    if (end - ctx_.sb.journal.start == ctx_.sb.ring.count || !unreadable(end)) {
        return {};
    }
    for (Sequence next = end + 1; next <= end + kMaxBatchBlocks; ++next) {
        if (unreadable(next)) {
            return fail(Errc::io_error,
                        "blocks of the journal that may hold acknowledged writes cannot be read",
                        block_offset(journal_block_of(ctx_.sb.ring, end)));
        }
        const auto header = header_of(ring, next);
        const bool old =
            header && (header->incarnation < ctx_.sb.journal.incarnation || header->sequence < end);
        if (old || is_all_zero(ring.blocks.block(ring_index(ctx_.sb.ring, next)))) {
            break;
        }
    }
    return {};
}

Task<Result<void>> Replay::run(OpenReport& report)
{
    Ring ring(ctx_.sb.ring.count);
    if (auto ok = co_await read_ring(ring); !ok) {
        co_return ok;
    }
    Sequence durable = ctx_.sb.journal.start - 1;
    auto end = find_journal_end(ring, durable);
    if (end) {
        if (auto ok = find_lost_commits(ring, *end); !ok) {
            end = tl::unexpected(ok.error());
        }
    }
    if (!end) {
        co_return tl::unexpected(end.error());
    }
    for (Sequence sequence = ctx_.sb.journal.start; sequence < *end; ++sequence) {
        const auto block = ring.blocks.block(ring_index(ctx_.sb.ring, sequence));
        const auto header = header_of(ring, sequence);
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
                           block_offset(journal_block_of(ctx_.sb.ring, sequence)));
        }
        for (std::size_t slot = 0; slot < header->used; slot += load_slot(block, slot).slots) {
            ++report.replayed_records;
        }
        state_.journal.applied = sequence + 1;
    }
    co_return Result<void>{};
}

// Are the data on the store that the block's shared exceptions name? What cannot be read is not.
Task<Result<bool>> Replay::data_matches(std::span<const std::byte> block, std::size_t used)
{
    const AlignedBuffer buffer(ctx_.chunk_bytes());
    for (std::size_t slot = 0; slot < used; slot += load_slot(block, slot).slots) {
        const record_disk record = load_slot(block, slot);
        const bool shared = record.type == static_cast<std::uint8_t>(RecordType::add_shared);
        if (!shared || (record.location & (kZeroLocation | kLostLocation)) != 0) {
            continue;
        }
        const StoreChunk place{record.location & kLocationMask};
        if (place.value >= ctx_.sb.data.chunks) {
            co_return fail(Errc::corrupt, "journal: store chunk out of range");
        }
        const Bytes offset = ctx_.store_offset(place);
        const IoStatus status =
            co_await DeviceIo(ctx_.store_device(), IoRequest::Op::read, offset, buffer.span());
        if (auto ok = ctx_.may_go_on_opening(); !ok) {
            co_return tl::unexpected(ok.error());
        }
        if (status != IoStatus::ok || crc32c(buffer.span(0, ctx_.chunk_bytes())) != record.crc) {
            co_return false;
        }
    }
    co_return true;
}

Result<void> Replay::replay_block(std::span<const std::byte> block, std::size_t used)
{
    std::array<record_disk, kCreateSlots> record;
    for (std::size_t slot = 0; slot < used;) {
        const std::size_t slots = load_slot(block, slot).slots;
        for (std::size_t s = 0; s < slots; ++s) {
            record[s] = load_slot(block, slot + s);
        }
        const std::uint64_t bound = state_.tree->insert_bound(1);
        if (state_.nodes.free() < bound) {
            state_.nodes.grow(std::max<std::size_t>(256, state_.nodes.size() / 4));
        }
        if (state_.zone.free() < bound + room_.reserved_blocks() - kSpareBlocks) {
            return fail(Errc::corrupt, "metadata zone too small for what it holds");
        }
        if (auto ok = applier_.apply(std::span(record).first(slots), true); !ok) {
            return ok;
        }
        slot += slots;
    }
    return {};
}

} // namespace snapstore
