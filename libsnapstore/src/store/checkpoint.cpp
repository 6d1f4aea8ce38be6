// SPDX-License-Identifier: GPL-2.0
#include "store/checkpoint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "store/io_group.h"
#include "store/planted_bugs.h"

namespace snapstore {

Task<Result<void>> Checkpoint::run()
{
    const std::uint64_t wanted = started_ + 1;
    start();
    while (completed_ < wanted && !ctx_.failed) {
        co_await ctx_.queues.checkpoint.wait();
    }
    if (completed_ < wanted) {
        co_return tl::unexpected(ctx_.failure());
    }
    co_return Result<void>{};
}

void Checkpoint::start()
{
    wanted_ = std::max(wanted_, started_ + 1);
    if (!running_ && !ctx_.failed) {
        running_ = true;
        spawn(ctx_.frame_pool, loop());
    }
}

Task<void> Checkpoint::loop()
{
    while (completed_ < wanted_ && !ctx_.failed) {
        ++started_;
        const auto done = co_await write();
        if (!done) {
            ctx_.fail_store("cannot write a checkpoint", Bytes{done.error().where});
            break;
        }
        completed_ = started_;
        ctx_.queues.checkpoint.wake_all();
        ctx_.queues.space.wake_all();
    }
    running_ = false;
    ctx_.queues.checkpoint.wake_all();
}

bool Checkpoint::anything_to_do() const noexcept
{
    return state_.tree->nodes().dirty() || state_.table.dirty() || state_.attachments_dirty ||
           state_.journal.applied != ctx_.sb.journal.start || places_.pending() != 0 ||
           state_.zone.units().pending() != 0 || mark_clean_ != ctx_.sb.clean ||
           state_.journal.incarnation != ctx_.sb.journal.incarnation || new_geometry_.has_value() ||
           origin_.to_be_kept;
}

Task<Result<void>> Checkpoint::write()
{
    if (!anything_to_do()) {
        co_return Result<void>{};
    }
    Superblock next = freeze();
    ++ctx_.counters.checkpoints;
    IoStatus status = co_await write_frozen_nodes();
    if (status == IoStatus::ok) {
        status = co_await write_chain(state_.snapshot_chain, write_snapshots_);
    }
    if (status == IoStatus::ok) {
        status = co_await write_chain(state_.attachment_chain, write_attachments_);
    }
    if (status == IoStatus::ok) {
        status = co_await flush_devices(ctx_);
    }
    if (status == IoStatus::ok) {
        status = co_await write_superblock(next);
    }
    if (status == IoStatus::ok && both_copies_) {
        ++next.generation;
        status = co_await write_superblock(next);
    }
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot write a checkpoint");
    }
    ctx_.sb = next;
    room_.set_durable(frozen_);
    places_.units().thaw();
    state_.zone.units().thaw();
    co_return Result<void>{};
}

// The instant of the checkpoint. No I/O; what it returns names everything that is to be written.
Superblock Checkpoint::freeze()
{
    const std::uint64_t generation = state_.tree->nodes().generation();
    Superblock next = ctx_.sb;
    freeze_tables(generation);
    if (new_geometry_) {
        next.origin.size = new_geometry_->origin_size;
        next.origin.largest = new_geometry_->largest_origin;
        next.features.incompat = new_geometry_->incompat;
        next.data.chunks = new_geometry_->data_chunks;
        next.zone.count = new_geometry_->zone_blocks;
    }
    next.features.incompat = state_.lost_places.count() > 0 ? next.features.incompat | kIncompatLostChunks
                                                            : next.features.incompat & ~kIncompatLostChunks;
    next.generation = generation;
    next.journal = {state_.journal.incarnation, state_.journal.applied};
    next.clean = mark_clean_;
    next.epoch = state_.epoch;
    next.next_id = state_.next_id;
    next.tree = {};
    if (const Node* root = state_.tree->root(); root != nullptr) {
        next.tree = {root->block, root->level(), state_.tree->entries()};
    }
    next.snapshot_table = {state_.snapshot_chain.head(), state_.table.all().size()};
    next.attachment_table = {state_.attachment_chain.head(), state_.attachments.size()};
    origin_.renew();
    next.origin.record = origin_.record;
    origin_.to_be_kept = false;
    places_.units().freeze();
    state_.zone.units().freeze();
    frozen_ = room_.mark();
    both_copies_ =
        mark_clean_ || state_.journal.incarnation != ctx_.sb.journal.incarnation || new_geometry_.has_value();
    state_.tree->nodes().freeze(generation + (both_copies_ ? 2 : 1)); // each copy of the superblock takes one
    if (has_bug(PlantedBug::chunk_reused_before_checkpoint)) {
        places_.units().thaw();
    }
    return next;
}

// New images of the tables that have changed.
void Checkpoint::freeze_tables(std::uint64_t generation)
{
    if (state_.table.dirty()) {
        const auto& all = state_.table.all();
        state_.snapshot_chain.renew(state_.zone, ctx_.sb.uuid, generation, TableKind::snapshots, all.size(),
                                    [&all](std::uint64_t i) { return pack_snapshot(*all[i]); });
        write_snapshots_ = true;
        state_.table.clean();
    }
    if (state_.attachments_dirty) {
        state_.attachment_chain.renew(
            state_.zone, ctx_.sb.uuid, generation, TableKind::attachments, state_.attachments.size(),
            [this](std::uint64_t i) { return pack_attachment(state_.attachments[i]); });
        write_attachments_ = true;
        state_.attachments_dirty = false;
    }
}

Task<IoStatus> Checkpoint::write_frozen_nodes()
{
    constexpr std::size_t kDepth = 16;
    std::array<Node*, kDepth> writing{};
    IoGroup<kDepth> group;
    for (;;) {
        group.clear();
        while (!group.full()) {
            Node* node = state_.tree->nodes().next_frozen();
            if (node == nullptr) {
                break;
            }
            seal_block(node->bytes(), kNodeMagic, node->block, uuid_prefix(ctx_.sb.uuid), node->generation);
            writing[group.size()] = node;
            group.add(ctx_.meta_device(), IoRequest::Op::write, block_offset(node->block), node->bytes());
        }
        if (group.empty()) {
            co_return IoStatus::ok;
        }
        const IoStatus status = co_await group;
        ctx_.counters.node_writes += group.size();
        for (std::size_t i = 0; i < group.size(); ++i) {
            state_.tree->nodes().written(writing[i]);
        }
        if (status != IoStatus::ok) {
            co_return status;
        }
    }
}

// Writes the chain if it is new, runs of neighbouring blocks at a time.
Task<IoStatus> Checkpoint::write_chain(TableChain& chain, bool& wanted)
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
            group.add(ctx_.meta_device(), IoRequest::Op::write, block_offset(list[i]),
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

Task<IoStatus> Checkpoint::write_superblock(Superblock next)
{
    const auto block = superblock_.span();
    pack_superblock(next, block);
    const IoStatus written =
        co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::write, block_offset(next.home()), block);
    if (written != IoStatus::ok) {
        co_return written;
    }
    ++ctx_.counters.flushes;
    co_return co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::flush);
}

Task<Result<void>> Checkpoint::change_geometry(const Superblock& next)
{
    if (const char* what = find_implausible(next); what != nullptr) {
        co_return fail(Errc::invalid, what);
    }
    new_geometry_ = Geometry{next.origin.size, next.origin.largest, next.features.incompat, next.data.chunks,
                             next.zone.count};
    auto done = co_await run();
    new_geometry_.reset();
    co_return done;
}

Task<Result<void>> Checkpoint::make_tree_room(std::uint64_t changes)
{
    for (;;) {
        if (ctx_.failed) {
            co_return tl::unexpected(ctx_.failure());
        }
        const std::uint64_t wanted = state_.tree->erase_bound(changes) + room_.reserved_changes;
        if (state_.nodes.free() < wanted) {
            room_.want_nodes(wanted);
            co_await ctx_.queues.tick.wait(); // refill() wakes it
        } else if (state_.zone.free() < wanted + room_.reserved_blocks()) {
            if (auto done = co_await run(); !done) {
                co_return done;
            }
        } else {
            co_return Result<void>{};
        }
    }
}

} // namespace snapstore
