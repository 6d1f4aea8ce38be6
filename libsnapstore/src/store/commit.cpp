// SPDX-License-Identifier: GPL-2.0
#include "store/commit.h"

#include <algorithm>
#include <array>

#include "memory/assertion.h"
#include "store/io_group.h"
#include "store/planted_bugs.h"

namespace snapstore {

void Commit::enqueue(std::span<const record_disk> record)
{
    queue_.push(record);
    urgent_ = true;
    kick();
}

Task<Result<void>> Commit::write(std::span<const record_disk> record)
{
    if (ctx_.failed) {
        co_return tl::unexpected(ctx_.failure());
    }
    enqueue(record);
    const std::uint64_t position = queue_.tail();
    while (queue_.head() < position && !ctx_.failed) {
        co_await ctx_.queues.commit.wait();
    }
    if (queue_.head() < position) {
        co_return tl::unexpected(ctx_.failure());
    }
    co_return Result<void>{};
}

bool Commit::due() const noexcept { return !queue_.empty() && (urgent_ || copies_queued_ >= copies_moving_); }

void Commit::copied()
{
    ++copies_queued_;
    kick();
}

void Commit::kick()
{
    if (!running_ && !ctx_.failed && due()) {
        running_ = true;
        spawn(ctx_.frame_pool, loop());
    }
}

void Commit::seal()
{
    if (unsealed_ && !running_ && queue_.empty() && !ctx_.failed &&
        ctx_.sb.journal.start < state_.journal.next) {
        running_ = true;
        seal_wanted_ = true;
        spawn(ctx_.frame_pool, loop());
    }
}

Task<void> Commit::write_seal()
{
    seal_wanted_ = false;
    if (state_.journal.next - ctx_.sb.journal.start >= ctx_.sb.ring.count) {
        checkpoint_.start(); // after it there is nothing to seal
        co_return;
    }
    fill_batch(Batch{queue_.head(), 1, 0, false});
    const Bytes where = block_offset(journal_block_of(ctx_.sb.ring, state_.journal.next));
    const IoStatus written =
        co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::write, where, buffer_.block(0));
    if (written != IoStatus::ok) {
        (void)co_await skip(1); // after it there is nothing to seal
        co_return;
    }
    ++ctx_.counters.flushes;
    const IoStatus flushed = co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::flush);
    if (flushed != IoStatus::ok) {
        ctx_.fail_store("cannot write the journal", where);
        co_return;
    }
    ++ctx_.counters.journal_blocks;
    state_.journal.applied = ++state_.journal.next;
    unsealed_ = false;
}

// Blocks of the ring that cannot be written: a checkpoint that has the journal begin behind them makes them
// of no importance. Nothing that was acknowledged is in them. False: the store has failed.
Task<bool> Commit::skip(std::uint64_t count)
{
    ctx_.observer.log(Severity::error, "a block of the journal cannot be written: it is passed over");
    state_.journal.next += count;
    state_.journal.applied = state_.journal.next;
    const auto done = co_await checkpoint_.run();
    co_return done.has_value() && !ctx_.failed;
}

Task<void> Commit::loop()
{
    unsigned skipped = 0; // in succession
    while ((due() || seal_wanted_) && !ctx_.failed) {
        if (seal_wanted_) {
            co_await write_seal();
            continue;
        }
        const Batch batch = choose_batch();
        if (batch.blocks == 0) {
            const bool go_on = co_await make_room();
            if (!go_on) {
                break;
            }
            continue;
        }
        room_.reserved_changes = state_.tree->insert_bound(batch.inserts);
        fill_batch(batch);
        urgent_ = batch.end < queue_.tail(); // what did not fit has waited long enough
        copies_queued_ = 0;
        const Written written = co_await write_batch(batch);
        if (written == Written::nowhere && !ctx_.failed && ++skipped < Places::kTried) {
            const bool go_on = co_await skip(batch.blocks);
            urgent_ = true;
            if (go_on) {
                continue;
            }
        }
        if (written != Written::ok) {
            ctx_.fail_store("cannot write the journal",
                            block_offset(journal_block_of(ctx_.sb.ring, state_.journal.next)));
        }
        if (ctx_.failed) { // nothing is applied or acknowledged any more, even if this commit was written
            break;
        }
        skipped = 0;
        room_.reserved_changes = 0;
        ++ctx_.counters.commits;
        ctx_.counters.journal_blocks += batch.blocks;
        apply_batch(batch);
        const bool half_full = state_.journal.next - ctx_.sb.journal.start >= ctx_.sb.ring.count / 2;
        if ((half_full || state_.mark_lost_chunks()) && !checkpoint_.running()) {
            checkpoint_.start();
        }
        ctx_.queues.commit.wake_all();
    }
    running_ = false;
    ctx_.queues.commit.wake_all();
}

// As many records as fit into one commit: into the ring's free blocks, and so that applying them cannot run
// out of nodes or blocks.
Commit::Batch Commit::choose_batch() const noexcept
{
    const std::uint64_t ring_free = ctx_.sb.ring.count - (state_.journal.next - ctx_.sb.journal.start);
    const std::uint64_t max_blocks = std::min({kMaxBatchBlocks, ctx_.sb.ring.count / 4, ring_free});
    const std::uint64_t free_blocks =
        state_.zone.free() - std::min(state_.zone.free(), room_.reserved_blocks());
    const std::uint64_t room = std::min<std::uint64_t>(state_.nodes.free(), free_blocks);
    Batch batch;
    batch.end = queue_.head();
    std::size_t slot = kSlotsPerBlock; // in the last block
    while (batch.end < queue_.tail()) {
        const record_disk& record = queue_.at(batch.end);
        std::uint64_t wanted = batch.blocks;
        std::size_t next_slot = slot + record.slots;
        if (next_slot > kSlotsPerBlock) {
            ++wanted;
            next_slot = record.slots;
        }
        const auto type = static_cast<RecordType>(record.type);
        const bool add = type == RecordType::add_shared || type == RecordType::add_private;
        if (wanted > max_blocks || (add && state_.tree->insert_bound(batch.inserts + 1) > room)) {
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

Task<bool> Commit::make_room()
{
    if (state_.nodes.free() < state_.tree->insert_bound(1)) {
        room_.maybe_ask_refill();
        co_await ctx_.queues.tick.wait();
        co_return !ctx_.failed;
    }
    const auto done = co_await checkpoint_.run();
    if (done && choose_batch().blocks == 0 && state_.nodes.free() >= state_.tree->insert_bound(1)) {
        ctx_.fail_store("metadata zone exhausted"); // has_room() prevents it
    }
    co_return !ctx_.failed;
}

void Commit::fill_batch(const Batch& batch)
{
    std::uint64_t position = queue_.head();
    for (std::uint64_t i = 0; i < batch.blocks; ++i) {
        const auto block = buffer_.block(i);
        JournalHeader header{state_.journal.next + i, state_.journal.incarnation, state_.journal.next - 1,
                             ctx_.sb.generation, 0};
        while (position < batch.end) {
            const std::uint8_t slots = queue_.at(position).slots;
            if (header.used + slots > kSlotsPerBlock) {
                break;
            }
            for (std::uint8_t s = 0; s < slots; ++s, ++position, ++header.used) {
                store_disk(block, queue_.at(position),
                           sizeof(journal_header_disk) + header.used * sizeof(record_disk));
            }
        }
        seal_journal_block(block, ctx_.sb, header);
    }
    SNAPSTORE_ASSERT(position == batch.end);
}

Task<Commit::Written> Commit::write_batch(const Batch& batch)
{
    if (has_bug(PlantedBug::ack_before_commit)) {
        ctx_.queues.commit.wake_all();
    }
    if (batch.has_private && !has_bug(PlantedBug::private_record_before_flush)) {
        ++ctx_.counters.flushes;
        const IoStatus flushed = co_await DeviceIo(ctx_.store_device(), IoRequest::Op::flush);
        if (flushed != IoStatus::ok) {
            co_return Written::failed;
        }
    }
    const Block first = journal_block_of(ctx_.sb.ring, state_.journal.next);
    const std::uint64_t before_end = std::min(batch.blocks, ctx_.sb.ring.end() - first);
    IoGroup<2> writes;
    writes.add(ctx_.meta_device(), IoRequest::Op::write, block_offset(first), buffer_.blocks(0, before_end));
    if (before_end < batch.blocks) {
        writes.add(ctx_.meta_device(), IoRequest::Op::write, block_offset(ctx_.sb.ring.first),
                   buffer_.blocks(before_end, batch.blocks - before_end));
    }
    const IoStatus written = co_await writes;
    if (written != IoStatus::ok) {
        co_return Written::nowhere;
    }
    if (has_bug(PlantedBug::no_flush_before_ack)) {
        co_return Written::ok;
    }
    const IoStatus flushed = co_await flush_devices(ctx_);
    co_return flushed == IoStatus::ok ? Written::ok : Written::failed;
}

void Commit::apply_batch(const Batch& batch)
{
    std::array<record_disk, kCreateSlots> record;
    while (queue_.head() < batch.end) {
        const std::uint64_t position = queue_.head();
        const std::uint8_t slots = queue_.at(position).slots;
        for (std::uint8_t s = 0; s < slots; ++s) {
            record[s] = queue_.at(position + s);
        }
        const auto applied = applier_.apply(std::span(record).first(slots), false);
        SNAPSTORE_ASSERT(applied.has_value());
        queue_.pop_to(position + slots);
    }
    state_.journal.next += batch.blocks;
    state_.journal.applied = state_.journal.next;
    unsealed_ = true;
    room_.maybe_ask_refill();
}

} // namespace snapstore
