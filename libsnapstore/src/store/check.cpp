// SPDX-License-Identifier: GPL-2.0
#include "store/check.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "format/crc32c.h"
#include "store/io_group.h"

namespace snapstore {

namespace {
Result<void> fail_stopped() { return fail(Errc::stopping, "the check was stopped"); }
} // namespace

Task<Result<CheckReport>> Checker::check(bool data)
{
    CheckReport report;
    if (damaged_) {
        co_await check_damaged(report);
        co_return report;
    }
    if (!ctx_.opened) {
        co_return fail(Errc::invalid, "check() of a store that is not open");
    }
    auto ok = co_await checkpoint_.run();
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    state_.tree->check([&](const char* what, Block block, Key key) {
        report.damage.add({what, block_offset(block).value, key.chunk(), Epoch{key.epoch}});
    });
    report.exceptions = state_.tree->entries();
    check_chunks(report);
    ok = co_await check_nodes(report);
    if (ok) {
        co_await check_superblocks(report);
    }
    if (ok && data) {
        ok = co_await check_data(report);
    }
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    co_return report;
}

// What open() refused: lists everything that is wrong with tables and tree.
Task<void> Checker::check_damaged(CheckReport& report)
{
    places_.reset(ctx_.sb.data.chunks);
    state_.zone = Zone(ctx_.sb.zone);
    state_.table = SnapshotTable{};
    state_.attachments.clear();
    state_.lost_places = LostChunks{};
    state_.snapshot_chain = TableChain{};
    state_.attachment_chain = TableChain{};
    state_.tree.emplace(state_.nodes, state_.zone);
    (void)co_await loader_.load(&report.damage);
    report.exceptions = ctx_.sb.tree.entries;
    if (report.damage.empty()) { // tables and tree are sound: it is the journal
        OpenReport opening;
        const auto ok = co_await replay_.run(opening);
        if (!ok) {
            report.damage.add({ok.error().what, ok.error().where, {}, {}});
        }
    }
}

void Checker::check_chunks(CheckReport& report) const
{
    Bitmap seen(ctx_.sb.data.chunks);
    std::uint64_t used = 0;
    state_.tree->visit(Key{}, kNoKey, 0, [&](const Entry& e, bool) {
        const Epoch at{e.key.epoch};
        if (!e.stored()) {
            return true;
        }
        const StoreChunk place = e.store_chunk();
        if (place.value >= ctx_.sb.data.chunks) {
            report.damage.add({"store chunk out of range", 0, e.key.chunk(), at});
            return true;
        }
        const std::uint64_t where = ctx_.store_offset(place).value;
        if (seen.test(place.value)) {
            report.damage.add({"store chunk used twice", where, e.key.chunk(), at});
        } else if (!places_.is_used(place)) {
            report.damage.add({"store chunk in use is marked free", where, e.key.chunk(), at});
        }
        seen.set(place.value);
        ++used;
        return true;
    });
    report.leaked_chunks = places_.leaked(used);
    if (report.leaked_chunks > 0) {
        report.damage.add({"store chunks are marked used, but nothing refers to them", 0, {}, {}});
    }
    const std::uint64_t named = state_.tree->nodes().size() + state_.snapshot_chain.blocks().size() +
                                state_.attachment_chain.blocks().size();
    if (state_.zone.units().used() != named) {
        report.damage.add({"metadata blocks are marked used, but nothing refers to them", 0, {}, {}});
    }
}

Task<Result<void>> Checker::check_nodes(CheckReport& report)
{
    const AlignedBuffer buffer(kBlockSize.value);
    const auto compare = [&](Block block, std::uint32_t magic) {
        auto ok = verify_block(buffer.span(), magic, block, uuid_prefix(ctx_.sb.uuid));
        if (!ok) {
            report.damage.add({ok.error().what, ok.error().where, {}, {}});
        }
    };
    for (Block block = ctx_.sb.zone.first; block < ctx_.sb.zone.end(); ++block) {
        if (stopped_) {
            co_return fail_stopped();
        }
        while (checkpoint_.running() && !ctx_.failed) { // it has named blocks that are not written yet
            co_await ctx_.queues.checkpoint.wait();
        }
        if (!state_.zone.is_used(block)) {
            continue;
        }
        const Node* node = state_.tree->nodes().at(block);
        const auto& list = state_.snapshot_chain.blocks();
        const auto& other = state_.attachment_chain.blocks();
        const bool chained = std::find(list.begin(), list.end(), block) != list.end() ||
                             std::find(other.begin(), other.end(), block) != other.end();
        if ((node == nullptr && !chained) ||
            (node != nullptr && node->generation >= state_.tree->nodes().generation())) {
            continue;
        }
        const std::uint64_t generation = node != nullptr ? node->generation : 0;
        const std::uint64_t checkpoints = ctx_.counters.checkpoints;
        const IoStatus status =
            co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::read, block_offset(block), buffer.span());
        if (checkpoints != ctx_.counters.checkpoints || state_.tree->nodes().at(block) != node ||
            (node != nullptr && node->generation != generation)) {
            continue; // changed meanwhile
        }
        if (status != IoStatus::ok) {
            report.damage.add({"cannot read a metadata block", block_offset(block).value, {}, {}});
        } else if (node == nullptr) {
            compare(block, kTableMagic);
        } else if (std::memcmp(buffer.data(), node->page, buffer.size()) != 0) {
            const Key first = key_of(node->page->entries[0]);
            report.damage.add(
                {"node on disk differs", block_offset(block).value, first.chunk(), Epoch{first.epoch}});
        }
    }
    co_return Result<void>{};
}

Task<void> Checker::check_superblocks(CheckReport& report)
{
    const AlignedBuffer buffer(kBlockSize.value);
    for (const Block block : kSuperblockBlock) {
        IoStatus status = IoStatus::ok;
        for (bool written = true; written;) { // by a checkpoint: half of it may have been read
            while (checkpoint_.running() && !ctx_.failed) {
                co_await ctx_.queues.checkpoint.wait();
            }
            const std::uint64_t checkpoints = ctx_.counters.checkpoints;
            status = co_await DeviceIo(ctx_.meta_device(), IoRequest::Op::read, block_offset(block),
                                       buffer.span());
            written = checkpoints != ctx_.counters.checkpoints && !ctx_.failed;
        }
        if (status != IoStatus::ok || !unpack_superblock(buffer.span(), block)) {
            report.damage.add({"superblock copy is damaged", block_offset(block).value, {}, {}});
        }
    }
}

Task<Result<void>> Checker::check_data(CheckReport& report)
{
    constexpr std::size_t kDepth = 16;
    std::array<Entry, kDepth> entries{};
    IoGroup<kDepth> reads;
    for (Key cursor; cursor < kNoKey;) {
        if (stopped_) {
            co_return fail_stopped();
        }
        reads.clear();
        // Given back after each round: copies for origin writes wait for the same buffers.
        const BufferPool::Lease lease = co_await io_.lease_buffer(kDepth);
        const auto collect = [&](const Entry& e, bool) {
            if (!e.stored() || e.key.is_private()) {
                return true;
            }
            if (reads.size() == lease.chunks()) {
                cursor = e.key;
                return false;
            }
            entries[reads.size()] = e;
            reads.add(ctx_.store_device(), IoRequest::Op::read, ctx_.store_offset(e.store_chunk()),
                      lease.span(reads.size(), 1));
            return true;
        };
        if (state_.tree->visit(cursor, kNoKey, 0, collect)) {
            cursor = kNoKey;
        }
        (void)co_await reads;
        for (std::size_t i = 0; i < reads.size(); ++i) {
            const Entry& e = entries[i];
            const std::uint64_t where = ctx_.store_offset(e.store_chunk()).value;
            const auto now = state_.tree->find(e.key);
            if (!now || !(*now == e)) {
                continue; // swept meanwhile
            }
            ++report.data_verified;
            if (reads.status(i) != IoStatus::ok) {
                report.damage.add({"cannot read a copied chunk", where, e.key.chunk(), Epoch{e.key.epoch}});
            } else if (crc32c(lease.span(i, 1)) != e.crc) {
                report.damage.add(
                    {"copied chunk differs from its checksum", where, e.key.chunk(), Epoch{e.key.epoch}});
            }
        }
    }
    co_return Result<void>{};
}

} // namespace snapstore
