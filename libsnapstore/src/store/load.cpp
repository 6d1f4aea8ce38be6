// SPDX-License-Identifier: GPL-2.0
#include "store/load.h"

#include <algorithm>
#include <array>

#include "store/io_group.h"

namespace snapstore {

// A node to be read, and what its parent says of it.
struct Loader::PendingNode {
    Block block;
    std::uint64_t generation = 0; // not newer than this
    std::uint32_t level = 0;
    Key from;
};

Task<Result<void>> Loader::load(DamageList* damage)
{
    state_.epoch = ctx_.sb.epoch;
    state_.next_id = ctx_.sb.next_id;
    state_.journal.applied = ctx_.sb.journal.start;
    state_.tree->nodes().set_generation(ctx_.sb.generation + 1);
    auto ok = co_await load_table(TableKind::snapshots, ctx_.sb.snapshot_table);
    if (ok) {
        ok = co_await load_table(TableKind::attachments, ctx_.sb.attachment_table);
    }
    if (!ok && damage != nullptr) {
        damage->add({ok.error().what, ok.error().where, {}, {}});
    } else if (!ok) {
        co_return ok;
    }
    state_.table.clean();
    state_.attachments_dirty = false;
    state_.snapshot_chain.reserve(state_.table.all().size(), sizeof(snapshot_disk));
    state_.attachment_chain.reserve(state_.attachments.size(), sizeof(attachment_disk));
    ok = co_await load_tree(damage);
    if (ok) {
        ok = scan_entries(damage);
    }
    if (ok) {
        ok = check_zone();
    }
    if (ok) {
        room_.set_durable(room_.mark());
    }
    co_return ok;
}

// Room to write everything anew, as the layout provides it: without it no checkpoint would be possible.
Result<void> Loader::check_zone() const
{
    if (room_.node_limit() == 0 || state_.tree->nodes().size() > ctx_.sb.zone.count / 2 ||
        state_.zone.free() < room_.reserved_blocks() - kSpareBlocks) {
        return fail(Errc::corrupt, "metadata zone too small for what it holds");
    }
    return {};
}

Task<Result<void>> Loader::load_table(TableKind kind, const TableRoot& table)
{
    const AlignedBuffer buffer(kBlockSize.value);
    TableChain& chain = kind == TableKind::snapshots ? state_.snapshot_chain : state_.attachment_chain;
    const auto loaded = [&] {
        return kind == TableKind::snapshots ? state_.table.all().size() : state_.attachments.size();
    };
    for (Block block = table.head; block != kNoBlock;) {
        if (!state_.zone.mark_used(block)) {
            co_return fail(Errc::corrupt, "table: block out of range or used twice", block_offset(block));
        }
        const IoStatus status =
            co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::read, block_offset(block), buffer.span());
        if (status != IoStatus::ok) {
            co_return fail(Errc::io_error, "cannot read a table", block_offset(block));
        }
        auto ok = verify_block(buffer.span(), kTableMagic, block, uuid_prefix(ctx_.sb.uuid));
        if (ok) {
            ok = load_table_block(buffer.span(), kind);
        }
        if (!ok) {
            co_return fail(ok.error().code, ok.error().what, block_offset(block));
        }
        if (ok = ctx_.may_go_on_opening(); !ok) {
            co_return ok;
        }
        chain.loaded(block);
        block = Block{load_disk<table_block_disk>(buffer.span()).next};
    }
    if (loaded() != table.count || state_.attachments.size() > kMaxAttachments) {
        co_return fail(Errc::corrupt, "table: wrong number of entries", block_offset(table.head));
    }
    co_return Result<void>{};
}

Result<void> Loader::load_table_block(std::span<const std::byte> image, TableKind kind)
{
    const auto header = load_disk<table_block_disk>(image);
    const bool of_snapshots = kind == TableKind::snapshots;
    const std::size_t entry = of_snapshots ? sizeof(snapshot_disk) : sizeof(attachment_disk);
    if (header.kind != static_cast<std::uint16_t>(kind) || header.count > TableChain::per_block(entry) ||
        header.header.generation > ctx_.sb.generation) {
        return fail(Errc::corrupt, "table: header out of range");
    }
    for (std::size_t i = 0; i < header.count; ++i) {
        const std::size_t offset = sizeof(table_block_disk) - kTablePayload + i * entry;
        if (!of_snapshots) {
            state_.attachments.push_back(unpack_attachment(load_disk<attachment_disk>(image, offset)));
            continue;
        }
        auto snapshot = unpack_snapshot(load_disk<snapshot_disk>(image, offset));
        if (!snapshot) {
            return tl::unexpected(snapshot.error());
        }
        if (snapshot->info.size > ctx_.sb.origin.greatest()) {
            return fail(Errc::corrupt, "snapshot table: size out of range");
        }
        if (snapshot->info.epoch >= state_.epoch || !state_.table.insert(std::move(*snapshot))) {
            return fail(Errc::corrupt, "snapshot table: epoch or number out of range or twice");
        }
    }
    return {};
}

// Level by level, several reads at a time.
Task<Result<void>> Loader::load_tree(DamageList* damage)
{
    constexpr std::size_t kDepth = 16;
    std::vector<PendingNode> level;
    std::vector<PendingNode> below;
    std::array<Node*, kDepth> reading{};
    IoGroup<kDepth> group;
    if (ctx_.sb.tree.root != kNoBlock) {
        level.push_back({ctx_.sb.tree.root, ctx_.sb.generation, ctx_.sb.tree.level, {}});
    }
    for (; !level.empty(); level.swap(below), below.clear()) {
        for (std::size_t i = 0; i < level.size(); i += group.size()) {
            group.clear();
            while (!group.full() && i + group.size() < level.size()) {
                if (state_.nodes.free() == 0) {
                    state_.nodes.grow(std::max<std::size_t>(256, state_.nodes.size() / 4));
                }
                Node* node = state_.nodes.get();
                reading[group.size()] = node;
                group.add(ctx_.meta_device(), IoRequest::Op::read,
                          block_offset(level[i + group.size()].block), node->bytes());
            }
            (void)co_await group;
            if (auto ok = ctx_.may_go_on_opening(); !ok) {
                co_return ok;
            }
            for (std::size_t j = 0; j < group.size(); ++j) {
                const PendingNode pending = level[i + j];
                auto ok = group.status(j) == IoStatus::ok
                              ? adopt_node(reading[j], pending, below)
                              : fail(Errc::io_error, "cannot read a node", block_offset(pending.block));
                if (ok) {
                    continue;
                }
                state_.nodes.put(reading[j]);
                if (damage == nullptr) {
                    co_return ok;
                }
                damage->add(
                    {ok.error().what, ok.error().where, pending.from.chunk(), Epoch{pending.from.epoch}});
            }
        }
    }
    if (damage != nullptr) {
        co_return Result<void>{};
    }
    co_return state_.tree->set_root(ctx_.sb.tree.root, ctx_.sb.tree.level, ctx_.sb.tree.entries);
}

Result<void> Loader::adopt_node(Node* node, const PendingNode& pending, std::vector<PendingNode>& below)
{
    const Bytes where = block_offset(pending.block);
    auto ok = verify_block(node->bytes(), kNodeMagic, pending.block, uuid_prefix(ctx_.sb.uuid));
    if (!ok) {
        return ok;
    }
    const node_disk& page = *node->page;
    if (page.header.generation > pending.generation) {
        return fail(Errc::corrupt, "node: newer than its parent", where);
    }
    if (page.level != pending.level || page.level >= Tree::kMaxLevels) {
        return fail(Errc::corrupt, "node: wrong level", where);
    }
    ok = state_.tree->nodes().adopt(node, pending.block);
    if (!ok || page.level == 0) {
        return ok;
    }
    for (unsigned i = 0; i < page.count; ++i) {
        const entry_disk& e = page.entries[i];
        below.push_back({child_block(e), page.header.generation, page.level - 1U, key_of(e)});
    }
    return {};
}

// Finds out which store chunks are used, and what else follows from the entries.
Result<void> Loader::scan_entries(DamageList* damage)
{
    Error first{};
    const auto report = [&](const char* what, std::uint64_t where, Key key) {
        if (first.code == Errc{}) {
            first = Error{Errc::corrupt, what, where};
        }
        if (damage != nullptr) {
            damage->add({what, where, key.chunk(), Epoch{key.epoch}});
        }
    };
    if (damage == nullptr) { // a tree with holes cannot be walked
        state_.tree->check(
            [&](const char* what, Block block, Key key) { report(what, block_offset(block).value, key); });
    }
    if (first.code != Errc{}) {
        return tl::unexpected(first);
    }
    Entry previous;
    state_.tree->visit(Key{}, kNoKey, 0, [&](const Entry& e, bool) {
        if (!state_.plausible(e)) {
            report("exception out of range", 0, e.key);
        } else if (e.stored() && !places_.mark_used(e.store_chunk())) {
            report("store chunk out of range or used twice", ctx_.store_offset(e.store_chunk()).value, e.key);
        } else if (e.key.is_private()) {
            Snapshot* snapshot = state_.table.find(Epoch{e.key.epoch});
            state_.late_garbage = state_.late_garbage || snapshot == nullptr;
            if (snapshot != nullptr) {
                snapshot->has_private = true;
            }
        } else {
            const bool same = previous.key.key == e.key.key;
            state_.late_garbage =
                state_.late_garbage || state_.is_garbage(e, true, same ? previous.key.epoch : 0);
        }
        if (e.lost()) {
            state_.lost_places.insert(e.key);
        }
        previous = e;
        return true;
    });
    return first.code == Errc{} ? Result<void>{} : tl::unexpected(first);
}

} // namespace snapstore
