// SPDX-License-Identifier: GPL-2.0
// The origin becomes what a snapshot holds, as `zumastor revert` does it: what differs, by the store's index,
// is read through the snapshot's client and written through the origin's. Other snapshots keep their content.
#include <algorithm>
#include <span>

#include "sim/world.h"

namespace sim {
namespace {

constexpr std::uint64_t kPieceBlocks = 32;

} // namespace

// A writer that was killed may still have writes under way.
bool World::is_written(std::uint64_t snapshot) const
{
    return std::any_of(snapshot_clients_.begin(), snapshot_clients_.end(), [&](const auto& client) {
        return client->snapshot() == snapshot && !client->read_only() &&
               (!client->gone() || client->io_under_way() > 0);
    });
}

void World::begin_revert()
{
    const SnapshotModel* snapshot = some_snapshot();
    if (snapshot == nullptr || is_written(snapshot->id) || !origin_->in_session() || !origin_->idle()) {
        return;
    }
    context_.trace("admin: revert to {}", snapshot->id);
    revert_.emplace().snapshot = snapshot->id;
    operations_left_ += 60; // mostly for the revert, which is to come to its end more often than not
}

// As far as it goes without waiting. Whoever was killed is replaced, and then all is listed anew.
void World::continue_revert()
{
    if (origin_ == nullptr || origin_->gone() || origin_->leaving()) {
        return start_origin_client();
    }
    if (revert_->reader == nullptr || revert_->reader->gone() || revert_->reader->leaving()) {
        list_anew();
        revert_->reader = add_snapshot_client(revert_->snapshot, true);
        return;
    }
    const bool ready = origin_->in_session() && origin_->idle() && revert_->reader->in_session() &&
                       revert_->reader->idle() && daemon() != nullptr && daemon()->open();
    if (!ready || (!revert_->listed && !list_what_differs())) {
        return;
    }
    if (revert_->blocks > 0 && revert_->written) {
        revert_->blocks = 0;
    }
    if (revert_->blocks > 0 || !revert_->left.empty()) {
        revert_piece();
    } else if (!revert_->flushed) {
        revert_->flushed = true;
        origin_->flush();
    } else {
        end_revert();
    }
}

// With each new client of the two, whoever has started it: what the old one was given may never have been
// written.
void World::list_anew()
{
    if (revert_ && revert_->listed) {
        ++statistics_.reverts_resumed;
        revert_->listed = false;
    }
}

bool World::list_what_differs()
{
    revert_->left.clear();
    if (!list_delta(snapstore::SnapshotId{revert_->snapshot}, std::nullopt, revert_->left)) {
        return false;
    }
    std::reverse(revert_->left.begin(), revert_->left.end()); // taken from the end
    revert_->listed = true;
    revert_->flushed = false;
    revert_->blocks = 0;
    return true;
}

// Some blocks of the next range, or those again that could not be read or written.
void World::revert_piece()
{
    const std::uint64_t chunk_blocks = setup_.chunk_sectors() / kSectorsPerBlock;
    if (revert_->blocks == 0) {
        snapstore::ChunkRange& range = revert_->left.back();
        const std::uint64_t chunks =
            std::min<std::uint64_t>(range.count, std::max<std::uint64_t>(1, kPieceBlocks / chunk_blocks));
        revert_->block = range.first.value * chunk_blocks;
        revert_->blocks = chunks * chunk_blocks;
        range.first.value += chunks;
        range.count -= static_cast<std::uint32_t>(chunks);
        if (range.count == 0) {
            revert_->left.pop_back();
        }
    }
    revert_->written = revert_->block >= revert_->reader->blocks(); // then there is nothing to be written
    revert_->reader->read(
        revert_->block, revert_->blocks,
        [this, reader = revert_->reader](std::uint64_t first, std::span<const std::byte> data) {
            if (revert_ && revert_->reader == reader && origin_ != nullptr) {
                revert_->written = origin_->write_back(first, data);
            }
        });
}

void World::end_revert()
{
    const SnapshotModel* snapshot = model_.find(revert_->snapshot);
    const std::uint64_t sectors = std::min(snapshot->content.sectors(), model_.origin_sectors);
    for (std::uint64_t sector = 0; sector < sectors; ++sector) {
        const auto wanted = snapshot->content.known(sector);
        const auto found = model_.origin.known(sector);
        if (wanted && found && *wanted != *found) {
            context_.fail(fmt::format("reverted to {}: sector {} is {}, not {}", snapshot->id, sector,
                                      describe(*found), describe(*wanted)));
            return;
        }
    }
    ++statistics_.reverted;
    context_.trace("admin: reverted to {}", revert_->snapshot);
    if (!revert_->reader->gone()) {
        revert_->reader->begin_leave(true);
    }
    revert_.reset();
}

} // namespace sim
