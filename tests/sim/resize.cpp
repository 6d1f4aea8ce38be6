// SPDX-License-Identifier: GPL-2.0
// Origins and stores that grow and shrink. As the tools do it: a device that becomes smaller gets its
// new table first, one that becomes larger when the daemon has answered.
#include <algorithm>
#include <array>

#include "sim/world.h"

namespace sim {

using ddsnap::ServiceError;

void World::admin_resize()
{
    const std::uint64_t blocks = setup_.capacity / kSectorsPerBlock;
    const std::uint64_t sectors = context_.rng.between(blocks / 4 + 1, blocks) * kSectorsPerBlock;
    const bool shrinks = sectors < model_.origin_sectors;
    if (resizing_ || sectors == model_.origin_sectors) {
        return;
    }
    if (shrinks && origin_ != nullptr && !origin_->gone() && !origin_->set_sectors(sectors)) {
        return;
    }
    model_.resize_started(sectors);
    resizing_ = true;
    ++admin_under_way_;
    resize_when_connected(sectors, shrinks ? 40 : 0);
}

// A device with a new table connects again before a shrink is asked for; mostly.
void World::resize_when_connected(std::uint64_t sectors, unsigned patience)
{
    if (patience > 0 && origin_ != nullptr && !origin_->gone() && !origin_->in_session()) {
        context_.scheduler.after(context_.rng.between(200, 2000),
                                 [this, sectors, patience, asked = daemon()] {
                                     if (asked == daemon() && !asked->dead()) {
                                         resize_when_connected(sectors, patience - 1);
                                     }
                                 });
        return;
    }
    context_.trace("admin: resize from {} to {} sectors", model_.origin_sectors, sectors);
    snapstore::spawn(daemon()->frames(), run_resize(*daemon(), sectors));
}

snapstore::Task<void> World::run_resize(Daemon& target, std::uint64_t sectors)
{
    const auto result = co_await target.service().resize_origin(snapstore::Sectors{sectors});
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    resizing_ = false;
    const std::uint64_t before = model_.origin_sectors;
    if (!result) {
        const auto code = result.error().code;
        const bool expected =
            code == ServiceError::Code::busy ||
            (sectors < before && (code == ServiceError::Code::detached ||
                                  (code == ServiceError::Code::no_space && !model_.ample())));
        context_.trace("admin: resize failed: {}", result.error().message);
        if (!expected) {
            context_.fail(fmt::format("resize failed: {}", result.error().message));
        }
        model_.resize_decided(before);
        follow_size();
        co_return;
    }
    context_.trace("admin: resized to {} sectors", sectors);
    model_.resize_decided(sectors);
    statistics_.grown += sectors > before ? 1U : 0U;
    statistics_.shrunk += sectors < before ? 1U : 0U;
    if (sectors < before && context_.rng.percent(70)) {
        give_away_end(sectors);
    }
    follow_size();
}

// The origin's device is as long as the volume, sooner or later.
void World::follow_size()
{
    if (origin_ != nullptr && !origin_->gone() && origin_->sectors() < model_.origin_sectors && !resizing_ &&
        context_.rng.percent(80)) {
        origin_->set_sectors(model_.origin_sectors);
    }
}

// What the volume does not reach any more belongs to somebody else.
void World::give_away_end(std::uint64_t from)
{
    std::array<std::byte, kSector> bytes{};
    const Stamp stamp = make_stamp(0, ++model_.origin_operations);
    for (std::uint64_t sector = from; sector < setup_.capacity; ++sector) {
        encode_sector(bytes, stamp, sector);
        disks_.origin->overwrite(sector, bytes);
        model_.origin.overwrite(sector, stamp);
    }
}

namespace {
// What a store does not reach any more belongs to somebody else.
void give_away(Disk& disk, std::uint64_t from)
{
    std::array<std::byte, kSector> bytes_of_others{};
    bytes_of_others.fill(std::byte{0xee});
    for (std::uint64_t sector = from; sector < disk.size().value / kSector; ++sector) {
        disk.overwrite(sector, bytes_of_others);
    }
}
} // namespace

void World::admin_resize_store()
{
    if (disks_.meta != nullptr && context_.rng.percent(50)) {
        admin_shrink_meta();
        return;
    }
    // A store that was large enough for everything is not, afterwards.
    context_.rng.percent(model_.ample() ? 80 : 40) ? admin_grow_store() : admin_shrink_store();
}

void World::admin_grow_store()
{
    disks_.store->grow(context_.rng.between(1, 12) * setup_.chunk_sectors());
    if (disks_.meta != nullptr && context_.rng.percent(30)) {
        disks_.meta->grow(context_.rng.between(1, 12) * kSectorsPerBlock);
    }
    ++admin_under_way_;
    snapstore::spawn(daemon()->frames(), run_grow_store(*daemon()));
}

snapstore::Task<void> World::run_grow_store(Daemon& target)
{
    const std::uint64_t before = target.service().store().info().store_chunks;
    ddsnap::ServiceResult<void> result;
    if (disks_.meta != nullptr) {
        result = co_await target.service().resize_meta(disks_.meta->size());
    }
    if (result && !target.dead()) {
        result = co_await target.service().resize_store(disks_.store->size());
    }
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    if (!result) {
        if (result.error().code != ServiceError::Code::busy) { // it is being shrunk
            context_.fail(fmt::format("growing the store failed: {}", result.error().message));
        }
        co_return;
    }
    const std::uint64_t now = target.service().store().info().store_chunks;
    context_.trace("admin: the store has {} chunks", now);
    statistics_.grown += now > before ? 1U : 0U;
    store_was_shrunk_ = false;
}

// To what is in use or a little more, so that something has to move; now and then to anything.
void World::admin_shrink_store()
{
    const snapstore::StoreInfo info = daemon()->service().store().info();
    const std::uint64_t used = info.store_chunks - info.free_chunks - info.pending_chunks;
    const bool anything = context_.rng.percent(15);
    const std::uint64_t least = anything ? used / 2 : std::max(used, snapstore::kMinStoreChunks);
    if (least >= info.store_chunks) {
        return;
    }
    const std::uint64_t most = anything ? info.store_chunks - 1 : std::min(info.store_chunks - 1, least + 4);
    model_.no_longer_ample();
    ++admin_under_way_;
    snapstore::spawn(daemon()->frames(), run_shrink_store(*daemon(), context_.rng.between(least, most)));
}

snapstore::Task<void> World::run_shrink_store(Daemon& target, std::uint64_t chunks)
{
    const snapstore::StoreInfo before = target.service().store().info();
    const std::uint64_t bytes =
        before.store_size.value - (before.store_chunks - chunks) * setup_.chunk_sectors() * kSector;
    context_.trace("admin: the store is to have {} chunks", chunks);
    const auto result = co_await target.service().resize_store(snapstore::Bytes{bytes});
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    if (!result) {
        const auto code = result.error().code;
        context_.trace("admin: shrinking the store failed: {}", result.error().message);
        const bool expected = code == ServiceError::Code::no_space || code == ServiceError::Code::busy ||
                              code == ServiceError::Code::detached ||
                              (code == ServiceError::Code::invalid && chunks < snapstore::kMinStoreChunks);
        if (!expected) {
            context_.fail(fmt::format("shrinking the store failed: {}", result.error().message));
        }
        co_return;
    }
    const std::uint64_t now = target.service().store().info().store_chunks;
    context_.trace("admin: the store has {} chunks", now);
    if (now != chunks) {
        context_.fail(fmt::format("the store has {} chunks instead of {}", now, chunks));
    }
    ++statistics_.stores_shrunk;
    store_was_shrunk_ = true;
    give_away(*disks_.store, bytes / kSector);
}

// By a few blocks: the least that is possible is not far.
void World::admin_shrink_meta()
{
    const std::uint64_t blocks = context_.rng.between(1, 12);
    const snapstore::Bytes now = daemon()->service().store().info().meta_size;
    ++admin_under_way_;
    snapstore::spawn(
        daemon()->frames(),
        run_shrink_meta(*daemon(), snapstore::Bytes{now.value - blocks * kSectorsPerBlock * kSector}));
}

snapstore::Task<void> World::run_shrink_meta(Daemon& target, snapstore::Bytes size)
{
    context_.trace("admin: the metadata are to have {} bytes", size.value);
    const auto result = co_await target.service().resize_meta(size);
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    if (!result) {
        const auto code = result.error().code;
        context_.trace("admin: the metadata keep their room: {}", result.error().message);
        if (code != ServiceError::Code::no_space && code != ServiceError::Code::busy) {
            context_.fail(fmt::format("shrinking the metadata failed: {}", result.error().message));
        }
        co_return;
    }
    const snapstore::Bytes now = target.service().store().info().meta_size;
    if (now != size) {
        context_.fail(fmt::format("the metadata have {} bytes instead of {}", now.value, size.value));
    }
    ++statistics_.zones_shrunk;
    give_away(*disks_.meta, size.value / kSector);
}

} // namespace sim
