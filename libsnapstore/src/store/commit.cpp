// SPDX-License-Identifier: GPL-2.0
// Group commit. Records that arrive while a commit is under way make up the next one. Records of copies wait
// for company moreover, as long as more copies are at their I/O than wait: otherwise a fast disk would get a
// commit for each chunk, a quarter of a 16 KiB chunk's size. Each copy that ends brings the moment nearer, so
// nobody waits longer than for I/O under way; and a lone writer never waits.
//
// Invariant: a record is applied, and its requester answered, only when its journal block and all data
// written before it are flushed. (StoreModelTest, and the planted bugs of the simulation)
//
// Each block says up to which one the journal was durable before it, and so proves that a commit was
// acknowledged. The last commit has no successor yet: when nothing follows, the next tick writes an empty
// block, the seal, and from then on damage to that commit is found, rather than taken for a torn tail.
// (JournalEndTest)
#include "format/block.h"
#include "store/store_impl.h"

namespace snapstore {

void Store::Impl::enqueue(std::span<const record_disk> record)
{
    queue.push(record);
    commit_urgent = true;
    kick_commit();
}

Task<Result<void>> Store::Impl::commit_record(std::span<const record_disk> record)
{
    if (failed) {
        co_return tl::unexpected(failure());
    }
    enqueue(record);
    const std::uint64_t position = queue.tail();
    while (queue.head() < position && !failed) {
        co_await commit_done.wait();
    }
    if (queue.head() < position) {
        co_return tl::unexpected(failure());
    }
    co_return Result<void>{};
}

bool Store::Impl::commit_due() const noexcept
{
    return !queue.empty() && (commit_urgent || copies_queued >= copies_moving);
}

void Store::Impl::kick_commit()
{
    if (!commit_running && !failed && commit_due()) {
        commit_running = true;
        spawn(frame_pool, commit_loop());
    }
}

// For the last commit, if no other is about to follow.
void Store::Impl::seal_journal()
{
    if (unsealed && !commit_running && queue.empty() && !failed && sb.journal_start < journal.next) {
        commit_running = true;
        seal_wanted = true;
        spawn(frame_pool, commit_loop());
    }
}

Task<void> Store::Impl::write_seal()
{
    seal_wanted = false;
    if (journal.next - sb.journal_start >= sb.journal.count) {
        checkpoint.start(); // after it there is nothing to seal
        co_return;
    }
    fill_batch(Batch{queue.head(), 1, 0, false});
    const Bytes where{block_offset(journal_block_of(sb.journal, journal.next))};
    const IoStatus written =
        co_await DeviceIo(meta_device(), IoRequest::Op::write, where, batch_buffer.block(0));
    if (written != IoStatus::ok) {
        (void)co_await skip_journal(1); // after it there is nothing to seal
        co_return;
    }
    ++counters.flushes;
    const IoStatus flushed = co_await DeviceIo(meta_device(), IoRequest::Op::flush);
    if (flushed != IoStatus::ok) {
        fail_store("cannot write the journal", where.value);
        co_return;
    }
    ++counters.journal_blocks;
    journal.applied = ++journal.next;
    unsealed = false;
}

// Blocks of the ring that cannot be written: a checkpoint that has the journal begin behind them makes them
// of no importance. Nothing that was acknowledged is in them. False: the store has failed.
Task<bool> Store::Impl::skip_journal(std::uint64_t count)
{
    observer.log(2, "a block of the journal cannot be written: it is passed over");
    journal.next += count;
    journal.applied = journal.next;
    const auto done = co_await checkpoint.run();
    co_return done.has_value() && !failed;
}

Task<void> Store::Impl::commit_loop()
{
    unsigned skipped = 0; // in succession
    while ((commit_due() || seal_wanted) && !failed) {
        if (seal_wanted) {
            co_await write_seal();
            continue;
        }
        const Batch batch = choose_batch();
        if (batch.blocks == 0) {
            const bool go_on = co_await make_commit_room();
            if (!go_on) {
                break;
            }
            continue;
        }
        reserved_changes = tree->insert_bound(batch.inserts);
        fill_batch(batch);
        commit_urgent = batch.end < queue.tail(); // what did not fit has waited long enough
        copies_queued = 0;
        const Written written = co_await write_batch(batch);
        if (written == Written::nowhere && !failed && ++skipped < Places::kTried) {
            const bool go_on = co_await skip_journal(batch.blocks);
            commit_urgent = true;
            if (go_on) {
                continue;
            }
        }
        if (written != Written::ok) {
            fail_store("cannot write the journal");
        }
        if (failed) { // nothing is applied or acknowledged any more, even if this commit was written
            break;
        }
        skipped = 0;
        reserved_changes = 0;
        ++counters.commits;
        counters.journal_blocks += batch.blocks;
        apply_batch(batch);
        const bool half_full = journal.next - sb.journal_start >= sb.journal.count / 2;
        if ((half_full || mark_lost_chunks()) && !checkpoint.running()) {
            checkpoint.start();
        }
        commit_done.wake_all();
    }
    commit_running = false;
    commit_done.wake_all();
}

// As many records as fit into one commit: into the ring's free blocks, and so that applying them cannot run
// out of nodes or blocks.
Store::Impl::Batch Store::Impl::choose_batch() const noexcept
{
    const std::uint64_t ring_free = sb.journal.count - (journal.next - sb.journal_start);
    const std::uint64_t max_blocks = std::min({kMaxBatchBlocks, sb.journal.count / 4, ring_free});
    const std::uint64_t free_blocks = blocks.free() - std::min(blocks.free(), reserved_blocks());
    const std::uint64_t room = std::min<std::uint64_t>(nodes.free(), free_blocks);
    Batch batch;
    batch.end = queue.head();
    std::size_t slot = kSlotsPerBlock; // in the last block
    while (batch.end < queue.tail()) {
        const record_disk& record = queue.at(batch.end);
        std::uint64_t wanted = batch.blocks;
        std::size_t next_slot = slot + record.slots;
        if (next_slot > kSlotsPerBlock) {
            ++wanted;
            next_slot = record.slots;
        }
        const auto type = static_cast<RecordType>(record.type);
        const bool add = type == RecordType::add_shared || type == RecordType::add_private;
        if (wanted > max_blocks || (add && tree->insert_bound(batch.inserts + 1) > room)) {
            break;
        }
        slot = next_slot;
        batch.blocks = wanted;
        batch.end += record.slots;
        batch.inserts += add ? 1 : 0;
        batch.has_private = batch.has_private || type == RecordType::add_private;
    }
    return batch;
}

Task<bool> Store::Impl::make_commit_room()
{
    if (nodes.free() < tree->insert_bound(1)) {
        maybe_ask_refill();
        co_await tick_queue.wait();
        co_return !failed;
    }
    const auto done = co_await checkpoint.run();
    if (done && choose_batch().blocks == 0 && nodes.free() >= tree->insert_bound(1)) {
        fail_store("metadata zone exhausted"); // has_room() prevents it
    }
    co_return !failed;
}

void Store::Impl::fill_batch(const Batch& batch)
{
    std::uint64_t position = queue.head();
    for (std::uint64_t i = 0; i < batch.blocks; ++i) {
        const auto block = batch_buffer.block(i);
        JournalHeader header{journal.next + i, journal.incarnation, journal.next - 1, sb.generation, 0};
        while (position < batch.end) {
            const std::uint8_t slots = queue.at(position).slots;
            if (header.used + slots > kSlotsPerBlock) {
                break;
            }
            for (std::uint8_t s = 0; s < slots; ++s, ++position, ++header.used) {
                store_disk(block, queue.at(position),
                           sizeof(journal_header_disk) + header.used * sizeof(record_disk));
            }
        }
        seal_journal_block(block, sb, header);
    }
    SNAPSTORE_ASSERT(position == batch.end);
}

Task<Store::Impl::Written> Store::Impl::write_batch(const Batch& batch)
{
    if (has_bug(PlantedBug::ack_before_commit)) {
        commit_done.wake_all();
    }
    if (batch.has_private && !has_bug(PlantedBug::private_record_before_flush)) {
        ++counters.flushes;
        const IoStatus flushed = co_await DeviceIo(store_device(), IoRequest::Op::flush);
        if (flushed != IoStatus::ok) {
            co_return Written::failed;
        }
    }
    const std::uint64_t first = journal_block_of(sb.journal, journal.next);
    const std::uint64_t before_end = std::min(batch.blocks, sb.journal.end() - first);
    IoGroup<2> writes;
    writes.add(meta_device(), IoRequest::Op::write, Bytes{block_offset(first)},
               batch_buffer.span(0, before_end * kBlockSize.value));
    if (before_end < batch.blocks) {
        writes.add(
            meta_device(), IoRequest::Op::write, Bytes{block_offset(sb.journal.first)},
            batch_buffer.span(before_end * kBlockSize.value, (batch.blocks - before_end) * kBlockSize.value));
    }
    const IoStatus written = co_await writes;
    if (written != IoStatus::ok) {
        co_return Written::nowhere;
    }
    if (has_bug(PlantedBug::no_flush_before_ack)) {
        co_return Written::ok;
    }
    const IoStatus flushed = co_await flush_devices(*this);
    co_return flushed == IoStatus::ok ? Written::ok : Written::failed;
}

void Store::Impl::apply_batch(const Batch& batch)
{
    std::array<record_disk, kCreateSlots> record;
    while (queue.head() < batch.end) {
        const std::uint64_t position = queue.head();
        const std::uint8_t slots = queue.at(position).slots;
        for (std::uint8_t s = 0; s < slots; ++s) {
            record[s] = queue.at(position + s);
        }
        const auto applied = apply(std::span(record).first(slots), false);
        SNAPSTORE_ASSERT(applied.has_value());
        queue.pop_to(position + slots);
    }
    journal.next += batch.blocks;
    journal.applied = journal.next;
    unsealed = true;
    maybe_ask_refill();
}

} // namespace snapstore
