// SPDX-License-Identifier: GPL-2.0
// Verification of a whole store: structure and allocation in memory, every metadata block on disk, and, if
// wanted, the data of every shared exception.
#include "format/block.h"
#include "format/crc32c.h"
#include "store/store_impl.h"

namespace snapstore {

Task<Result<CheckReport>> Store::Impl::check(bool data)
{
    CheckReport report;
    if (damaged) {
        co_await check_damaged(report);
        co_return report;
    }
    if (!opened) {
        co_return fail(Errc::invalid, "check() of a store that is not open");
    }
    auto ok = co_await checkpoint.run();
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    tree->check([&](const char* what, std::uint64_t block, Key key) {
        report.damage.push_back({what, block_offset(block), key.chunk(), Epoch{key.epoch}});
    });
    report.exceptions = tree->entries();
    check_chunks(report);
    ok = co_await check_nodes(report);
    if (ok && data) {
        ok = co_await check_data(report);
    }
    if (!ok) {
        co_return tl::unexpected(ok.error());
    }
    co_return report;
}

// What open() refused: lists everything that is wrong with tables and tree.
Task<void> Store::Impl::check_damaged(CheckReport& report)
{
    chunks = Allocator(sb.data_chunks);
    blocks = Allocator(sb.meta.count);
    table = SnapshotTable{};
    attachments.clear();
    lost_places = LostChunks{};
    snapshot_chain = TableChain{};
    attachment_chain = TableChain{};
    tree.emplace(nodes, blocks, sb.meta);
    (void)co_await load(&report.damage);
    report.exceptions = sb.entries;
    if (report.damage.empty()) { // tables and tree are sound: it is the journal
        OpenReport opening;
        const auto ok = co_await replay(opening);
        if (!ok) {
            report.damage.push_back({ok.error().what, ok.error().where, {}, {}});
        }
    }
}

void Store::Impl::check_chunks(CheckReport& report) const
{
    Bitmap seen(sb.data_chunks);
    std::uint64_t used = 0;
    tree->visit(Key{}, kNoKey, 0, [&](const Entry& e, bool) {
        const Epoch at{e.key.epoch};
        if (!e.stored()) {
            return true;
        }
        const std::uint64_t c = e.store_chunk();
        if (c >= sb.data_chunks) {
            report.damage.push_back({"store chunk out of range", 0, e.key.chunk(), at});
            return true;
        }
        const std::uint64_t where = store_offset(c).value;
        if (seen.test(c)) {
            report.damage.push_back({"store chunk used twice", where, e.key.chunk(), at});
        } else if (!chunks.is_used(c)) {
            report.damage.push_back({"store chunk in use is marked free", where, e.key.chunk(), at});
        }
        seen.set(c);
        ++used;
        return true;
    });
    report.leaked_chunks = chunks.used() - std::min(chunks.used(), used + uncommitted + bad());
    if (report.leaked_chunks > 0) {
        report.damage.push_back({"store chunks are marked used that nothing names", 0, {}, {}});
    }
    const std::uint64_t named =
        tree->nodes() + snapshot_chain.blocks().size() + attachment_chain.blocks().size();
    if (blocks.used() != named) {
        report.damage.push_back({"metadata blocks are marked used that nothing names", 0, {}, {}});
    }
}

Task<Result<void>> Store::Impl::check_nodes(CheckReport& report)
{
    const AlignedBuffer buffer(kBlockSize.value);
    const auto compare = [&](std::uint64_t block, std::uint32_t magic) {
        auto ok = verify_block(buffer.span(), magic, block, uuid_prefix(sb.uuid));
        if (!ok) {
            report.damage.push_back({ok.error().what, ok.error().where, {}, {}});
        }
    };
    for (std::uint64_t i = 0; i < sb.meta.count; ++i) {
        const std::uint64_t block = sb.meta.first + i;
        while (checkpoint.running() && !failed) { // it has named blocks that are not written yet
            co_await checkpoint_done.wait();
        }
        if (!blocks.is_used(i)) {
            continue;
        }
        const Node* node = tree->node_at(block);
        const auto& list = snapshot_chain.blocks();
        const auto& other = attachment_chain.blocks();
        const bool chained = std::find(list.begin(), list.end(), block) != list.end() ||
                             std::find(other.begin(), other.end(), block) != other.end();
        if ((node == nullptr && !chained) || (node != nullptr && node->generation >= tree->generation())) {
            continue;
        }
        const std::uint64_t generation = node != nullptr ? node->generation : 0;
        const std::uint64_t checkpoints = counters.checkpoints;
        const IoStatus status =
            co_await DeviceIo(meta_device(), IoRequest::Op::read, Bytes{block_offset(block)}, buffer.span());
        if (checkpoints != counters.checkpoints || tree->node_at(block) != node ||
            (node != nullptr && node->generation != generation)) {
            continue; // changed meanwhile
        }
        if (status != IoStatus::ok) {
            report.damage.push_back({"cannot read a metadata block", block_offset(block), {}, {}});
        } else if (node == nullptr) {
            compare(block, kTableMagic);
        } else if (std::memcmp(buffer.data(), node->page, buffer.size()) != 0) {
            const Key first = key_of(node->page->entries[0]);
            report.damage.push_back(
                {"node on disk differs", block_offset(block), first.chunk(), Epoch{first.epoch}});
        }
    }
    for (const std::uint64_t block : kSuperblockBlock) {
        const IoStatus status =
            co_await DeviceIo(meta_device(), IoRequest::Op::read, Bytes{block_offset(block)}, buffer.span());
        if (status != IoStatus::ok || !unpack_superblock(buffer.span(), block)) {
            report.damage.push_back({"superblock copy is damaged", block_offset(block), {}, {}});
        }
    }
    co_return Result<void>{};
}

Task<Result<void>> Store::Impl::check_data(CheckReport& report)
{
    constexpr std::size_t kDepth = 16;
    const BufferPool::Lease lease = co_await io.lease_buffer(kDepth);
    std::array<Entry, kDepth> entries{};
    IoGroup<kDepth> reads;
    for (Key cursor; cursor < kNoKey;) {
        reads.clear();
        const auto collect = [&](const Entry& e, bool) {
            if (!e.stored() || e.key.is_private()) {
                return true;
            }
            if (reads.size() == lease.chunks()) {
                cursor = e.key;
                return false;
            }
            entries[reads.size()] = e;
            reads.add(store_device(), IoRequest::Op::read, store_offset(e.store_chunk()),
                      lease.span(reads.size(), 1));
            return true;
        };
        if (tree->visit(cursor, kNoKey, 0, collect)) {
            cursor = kNoKey;
        }
        (void)co_await reads;
        for (std::size_t i = 0; i < reads.size(); ++i) {
            const Entry& e = entries[i];
            const std::uint64_t where = store_offset(e.store_chunk()).value;
            const auto now = tree->find(e.key);
            if (!now || !(*now == e)) {
                continue; // swept meanwhile
            }
            ++report.data_verified;
            if (reads.status(i) != IoStatus::ok) {
                report.damage.push_back(
                    {"cannot read a copied chunk", where, e.key.chunk(), Epoch{e.key.epoch}});
            } else if (crc32c(lease.span(i, 1)) != e.crc) {
                report.damage.push_back(
                    {"copied chunk differs from its checksum", where, e.key.chunk(), Epoch{e.key.epoch}});
            }
        }
    }
    co_return Result<void>{};
}

} // namespace snapstore
