// SPDX-License-Identifier: GPL-2.0
// What happens in a simulated volume between crashes.
#include <algorithm>

#include "sim/world.h"

namespace sim {
namespace {

constexpr std::size_t kSnapshotClients = 4;

} // namespace

void World::next_operation()
{
    if (driving_ || operations_left_ == 0) {
        return;
    }
    driving_ = true;
    context_.scheduler.after(context_.delay(setup_.gap), [this] {
        driving_ = false;
        if (operations_left_ > 0 && !context_.failed()) {
            --operations_left_;
            operate();
            next_operation();
        }
    });
}

void World::operate()
{
    if (revert_ && context_.rng.percent(60)) {
        return continue_revert();
    }
    const std::uint64_t kind = context_.rng.below(100);
    if (kind < 58) {
        origin_operation();
    } else if (kind < 82) {
        snapshot_operation();
    } else if (kind < 94) {
        admin_operation();
    } else if (kind < 97) {
        attach_snapshot_client();
    } else if (kind < 99) {
        break_a_connection();
    } else {
        coming_and_going();
    }
}

// Writers are sequential, local or anywhere; the hot spot makes copies of the same chunk for many epochs.
std::uint64_t World::some_block(std::uint64_t blocks)
{
    const std::uint64_t kind = context_.rng.below(10);
    if (kind < 3) {
        sequential_ = (sequential_ + 1) % blocks;
        return sequential_;
    }
    return context_.rng.below(kind < 7 ? std::max<std::uint64_t>(1, blocks / 16) : blocks);
}

void World::origin_operation()
{
    if (revert_) {
        return continue_revert();
    }
    if (origin_ == nullptr || origin_->leaving()) {
        return start_origin_client();
    }
    if (setup_.ample && !setup_.resizes && context_.rng.percent(4)) {
        return begin_revert();
    }
    if (context_.rng.percent(6)) {
        return origin_->flush();
    }
    const std::uint64_t blocks = (model_.origin_sectors + kSectorsPerBlock - 1) / kSectorsPerBlock;
    const std::uint64_t most = context_.rng.percent(15) ? 40 : 6;
    const bool zeros = context_.rng.percent(setup_.zero_percent);
    const std::uint64_t count = context_.rng.between(1, most);
    const std::uint64_t first = some_block(blocks);
    origin_->write(first, count, zeros);
    if (context_.rng.percent(25)) {
        sequential_ = (first + count) % blocks;
    }
}

SnapshotClient* World::some_snapshot_client()
{
    std::vector<SnapshotClient*> present;
    for (const auto& client : snapshot_clients_) {
        if (!client->gone() && !client->leaving()) {
            present.push_back(client.get());
        }
    }
    return present.empty() ? nullptr : context_.rng.pick(present);
}

void World::snapshot_operation()
{
    SnapshotClient* client = some_snapshot_client();
    if (client == nullptr) {
        return attach_snapshot_client();
    }
    const std::uint64_t first = some_block(client->blocks());
    const std::uint64_t count = context_.rng.between(1, context_.rng.percent(15) ? 40 : 6);
    const std::uint64_t kind = context_.rng.below(100);
    if (kind < 60 || client->read_only()) {
        client->read(first, count);
    } else if (kind < 92) {
        client->write(first, count, context_.rng.percent(setup_.zero_percent));
    } else {
        client->flush();
    }
}

void World::attach_snapshot_client()
{
    std::size_t present = 0;
    for (const auto& client : snapshot_clients_) {
        present += client->gone() ? 0U : 1U;
    }
    SnapshotModel* snapshot = some_snapshot();
    if (snapshot == nullptr || present >= kSnapshotClients) {
        if (SnapshotClient* client = some_snapshot_client(); client != nullptr && context_.rng.percent(40)) {
            client->begin_leave(context_.rng.percent(80));
        }
        return;
    }
    // One writer a snapshot; beside it, or without it, readers.
    const bool has_writer =
        std::any_of(
            snapshot_clients_.begin(), snapshot_clients_.end(),
            [&](const auto& c) { return !c->gone() && c->snapshot() == snapshot->id && !c->read_only(); }) ||
        (revert_ && revert_->snapshot == snapshot->id);
    add_snapshot_client(snapshot->id, has_writer || context_.rng.percent(40));
}

SnapshotClient* World::add_snapshot_client(std::uint64_t id, bool read_only)
{
    const bool process = context_.rng.percent(50);
    snapshot_clients_.push_back(std::make_unique<SnapshotClient>(
        context_, *this, make_identity(read_only ? "reader" : "writer", process), model_, *disks_.origin,
        *disks_.store, id, read_only));
    SnapshotClient* client = snapshot_clients_.back().get();
    client->reconnect_delay = setup_.reconnect;
    client->bug_trusts_dead_locks = bug_ == ClientBug::read_on_dead_lock;
    registry_[client->identity().client] = client;
    client->start();
    return client;
}

void World::break_a_connection()
{
    SnapshotClient* client = some_snapshot_client();
    if (client != nullptr && context_.rng.percent(60)) {
        client->break_connection();
    } else if (origin_ != nullptr) {
        origin_->break_connection();
    }
}

void World::coming_and_going()
{
    if (origin_ == nullptr || context_.rng.percent(50)) {
        start_origin_client();
        return;
    }
    origin_->begin_leave(context_.rng.percent(70));
}

} // namespace sim
