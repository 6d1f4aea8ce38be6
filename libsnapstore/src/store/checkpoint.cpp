// SPDX-License-Identifier: GPL-2.0
// Checkpoints: the tree and the tables as they are at one instant (freeze) are written to new places, then
// the superblock that names them. Commits, sweeps and lookups go on meanwhile.
//
// Order: nodes and tables → flush → superblock → flush → what was freed before the freeze is free.
#include "format/block.h"
#include "store/store_impl.h"

namespace snapstore {

Task<Result<void>> Store::Impl::checkpoint()
{
    const std::uint64_t wanted = checkpoint_started + 1;
    start_checkpoint();
    while (checkpoint_completed < wanted && !failed) {
        co_await checkpoint_done.wait();
    }
    if (checkpoint_completed < wanted) {
        co_return tl::unexpected(failure());
    }
    co_return Result<void>{};
}

void Store::Impl::start_checkpoint()
{
    checkpoint_wanted = std::max(checkpoint_wanted, checkpoint_started + 1);
    if (!checkpoint_running && !failed) {
        checkpoint_running = true;
        spawn(frame_pool, checkpoint_loop());
    }
}

Task<void> Store::Impl::checkpoint_loop()
{
    while (checkpoint_completed < checkpoint_wanted && !failed) {
        ++checkpoint_started;
        const auto done = co_await write_checkpoint();
        if (!done) {
            fail_store("cannot write a checkpoint", done.error().where);
            break;
        }
        checkpoint_completed = checkpoint_started;
        checkpoint_done.wake_all();
        space_queue.wake_all();
    }
    checkpoint_running = false;
    checkpoint_done.wake_all();
}

bool Store::Impl::anything_to_checkpoint() const noexcept
{
    return tree->dirty() || table.dirty() || attachments_dirty || journal.applied != sb.journal_start ||
           chunks.pending() != 0 || blocks.pending() != 0 || mark_clean != sb.clean ||
           journal.incarnation != sb.incarnation || new_geometry.has_value() || origin_record_wanted;
}

Task<Result<void>> Store::Impl::write_checkpoint()
{
    if (!anything_to_checkpoint()) {
        co_return Result<void>{};
    }
    Superblock next = freeze();
    ++counters.checkpoints;
    IoStatus status = co_await write_frozen_nodes();
    if (status == IoStatus::ok) {
        status = co_await write_chain(snapshot_chain, write_snapshots);
    }
    if (status == IoStatus::ok) {
        status = co_await write_chain(attachment_chain, write_attachments);
    }
    if (status == IoStatus::ok) {
        status = co_await flush_devices(*this);
    }
    if (status == IoStatus::ok) {
        status = co_await write_superblock(next);
    }
    if (status == IoStatus::ok && both_copies) {
        ++next.generation;
        status = co_await write_superblock(next);
    }
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot write a checkpoint");
    }
    sb = next;
    set_durable(frozen);
    chunks.thaw();
    blocks.thaw();
    co_return Result<void>{};
}

// The instant of the checkpoint. No I/O; what it returns names everything that is to be written.
Superblock Store::Impl::freeze()
{
    const std::uint64_t generation = tree->generation();
    Superblock next = sb;
    if (table.dirty()) {
        const auto& all = table.all();
        snapshot_chain.renew(blocks, sb, generation, TableKind::snapshots, all.size(),
                             [&all](std::uint64_t i) { return pack_snapshot(*all[i]); });
        write_snapshots = true;
        table.clean();
    }
    if (attachments_dirty) {
        attachment_chain.renew(blocks, sb, generation, TableKind::attachments, attachments.size(),
                               [this](std::uint64_t i) { return pack_attachment(attachments[i]); });
        write_attachments = true;
        attachments_dirty = false;
    }
    if (new_geometry) {
        next.origin_size = new_geometry->origin_size;
        next.largest_origin = new_geometry->largest_origin;
        next.incompat = new_geometry->incompat;
        next.data_chunks = new_geometry->data_chunks;
        next.meta.count = new_geometry->meta_blocks;
    }
    next.incompat =
        lost_places.count() > 0 ? next.incompat | kIncompatLostChunks : next.incompat & ~kIncompatLostChunks;
    next.generation = generation;
    next.incarnation = journal.incarnation;
    next.journal_start = journal.applied;
    next.clean = mark_clean;
    next.epoch = epoch;
    next.next_id = next_id;
    next.root = tree->root() == nullptr ? 0 : tree->root()->block;
    next.root_level = tree->root() == nullptr ? 0 : tree->root()->level();
    next.entries = tree->entries();
    next.snapshot_table = snapshot_chain.head();
    next.snapshot_count = table.all().size();
    next.attachment_table = attachment_chain.head();
    next.attachment_count = attachments.size();
    renew_samples();
    next.origin = origin;
    origin_record_wanted = false;
    chunks.freeze();
    blocks.freeze();
    frozen = mark();
    both_copies = mark_clean || journal.incarnation != sb.incarnation || new_geometry.has_value();
    tree->freeze(generation + (both_copies ? 2 : 1)); // each copy of the superblock takes one
    if (has_bug(PlantedBug::chunk_reused_before_checkpoint)) {
        chunks.thaw();
    }
    return next;
}

Task<IoStatus> Store::Impl::write_frozen_nodes()
{
    constexpr std::size_t kDepth = 16;
    std::array<Node*, kDepth> writing{};
    IoGroup<kDepth> group;
    for (;;) {
        group.clear();
        while (!group.full()) {
            Node* node = tree->next_frozen();
            if (node == nullptr) {
                break;
            }
            seal_block(node->bytes(), kNodeMagic, node->block, uuid_prefix(sb.uuid), node->generation);
            writing[group.size()] = node;
            group.add(meta_device(), IoRequest::Op::write, Bytes{block_offset(node->block)}, node->bytes());
        }
        if (group.empty()) {
            co_return IoStatus::ok;
        }
        const IoStatus status = co_await group;
        counters.node_writes += group.size();
        for (std::size_t i = 0; i < group.size(); ++i) {
            tree->written(writing[i]);
        }
        if (status != IoStatus::ok) {
            co_return status;
        }
    }
}

// Writes the chain if it is new, runs of neighbouring blocks at a time.
Task<IoStatus> Store::Impl::write_chain(TableChain& chain, bool& wanted)
{
    if (!std::exchange(wanted, false)) {
        co_return IoStatus::ok;
    }
    const auto& list = chain.blocks();
    IoGroup<8> group;
    for (std::size_t i = 0; i < list.size();) {
        group.clear();
        while (i < list.size() && !group.full()) {
            std::size_t count = 1;
            while (i + count < list.size() && list[i + count] == list[i] + count) {
                ++count;
            }
            const auto image = chain.image(i);
            group.add(meta_device(), IoRequest::Op::write, Bytes{block_offset(list[i])},
                      {image.data(), count * kBlockSize.value});
            i += count;
        }
        const IoStatus status = co_await group;
        if (status != IoStatus::ok) {
            co_return status;
        }
    }
    co_return IoStatus::ok;
}

Task<IoStatus> Store::Impl::write_superblock(Superblock next)
{
    const auto block = sb_buffer.block(0);
    pack_superblock(next, block);
    const IoStatus written =
        co_await DeviceIo(meta_device(), IoRequest::Op::write, Bytes{block_offset(next.home())}, block);
    if (written != IoStatus::ok) {
        co_return written;
    }
    ++counters.flushes;
    co_return co_await DeviceIo(meta_device(), IoRequest::Op::flush);
}

} // namespace snapstore
