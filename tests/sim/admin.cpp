// SPDX-License-Identifier: GPL-2.0
// Control operations, straight to the volume service. An operation whose daemon dies was never answered:
// the coroutine may still run, but tells nobody.
#include <algorithm>

#include "sim/world.h"

namespace sim {

using ddsnap::ServiceError;

SnapshotModel* World::some_snapshot()
{
    std::vector<SnapshotModel*> live;
    for (auto& [id, snapshot] : model_.snapshots()) {
        if (!snapshot.removing && !snapshot.squashed) {
            live.push_back(&snapshot);
        }
    }
    return live.empty() ? nullptr : context_.rng.pick(live);
}

void World::admin_operation()
{
    Daemon* target = daemon();
    if (target == nullptr || !target->open() || admin_under_way_ >= 3) {
        return;
    }
    if (setup_.store_shrinks && context_.rng.percent(40)) {
        // In turn: what is written in between lies beyond the end of the next shrink.
        return store_was_shrunk_ ? admin_grow_store() : admin_shrink_store();
    }
    const std::uint64_t kind = context_.rng.below(100);
    if (kind < 40) {
        admin_create();
    } else if (kind < 65) {
        admin_remove();
    } else if (kind < 75) {
        admin_priority();
    } else if (kind < 85) {
        admin_use();
    } else if (kind < 90) {
        ++admin_under_way_;
        snapstore::spawn(target->frames(), run_checkpoint(*target));
    } else if (kind < 97 && setup_.resizes) {
        context_.rng.percent(40) ? admin_resize_store() : admin_resize();
    } else {
        model_.reconcile(target->service().store().snapshots().list(), false);
    }
}

void World::admin_create()
{
    if (model_.snapshots().size() >= setup_.snapshot_limit) {
        return admin_remove();
    }
    std::string name = fmt::format("s{}", ++names_);
    const int priority = context_.rng.percent(8) ? 127 : static_cast<int>(context_.rng.below(20)) - 10;
    const Micros timeout = context_.rng.percent(20) ? context_.rng.between(1, 3000) : 2'000'000;
    model_.create_started(name, priority);
    context_.trace("admin: create '{}' priority {}", name, priority);
    ++admin_under_way_;
    snapstore::spawn(daemon()->frames(), run_create(*daemon(), std::move(name), priority, timeout));
}

snapstore::Task<void> World::run_create(Daemon& target, std::string name, int priority, Micros timeout)
{
    snapstore::CreateOptions options;
    options.name = name;
    options.priority = static_cast<std::int8_t>(priority);
    options.created_ns = target.now();
    const std::uint64_t deadline = (target.now() + timeout) * 1000;
    const auto result = co_await target.service().create(options, deadline);
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    if (result) {
        ++statistics_.snapshots;
        context_.trace("admin: created '{}' as {} in epoch {}", name, result->id.value, result->epoch.value);
        model_.create_done(*result);
        co_return;
    }
    context_.trace("admin: create '{}' failed: {}", name, result.error().message);
    model_.create_failed(name);
    const auto code = result.error().code;
    const bool room = code != ServiceError::Code::no_space || !setup_.ample;
    const bool expected = code == ServiceError::Code::timeout || code == ServiceError::Code::detached ||
                          code == ServiceError::Code::no_space ||
                          (code == ServiceError::Code::busy && setup_.resizes);
    if (!expected || !room) {
        context_.fail(fmt::format("create failed: {}", result.error().message));
    }
}

void World::admin_remove()
{
    std::vector<SnapshotModel*> candidates;
    for (auto& [id, snapshot] : model_.snapshots()) {
        if (!snapshot.removing && (!revert_ || revert_->snapshot != id)) {
            candidates.push_back(&snapshot);
        }
    }
    if (candidates.empty()) {
        return;
    }
    SnapshotModel* victim = context_.rng.pick(candidates);
    victim->removing = true;
    context_.trace("admin: remove {}", victim->id);
    for (const auto& client : snapshot_clients_) {
        if (!client->gone() && client->snapshot() == victim->id && context_.rng.percent(70)) {
            client->begin_leave(true);
        }
    }
    ++admin_under_way_;
    snapstore::spawn(daemon()->frames(), run_remove(*daemon(), victim->id, context_.rng.percent(50)));
}

snapstore::Task<void> World::run_remove(Daemon& target, std::uint64_t id, bool force)
{
    SnapshotModel* before = model_.find(id);
    if (force && before != nullptr) {
        before->use_counts.insert(0); // dropped first, even if the remove then fails
    }
    const auto result = co_await target.service().remove(snapstore::SnapshotId{id}, force);
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    if (result) {
        ++statistics_.removed;
        context_.trace("admin: removed {}", id);
        const SnapshotModel* removed = model_.find(id);
        statistics_.squashed += removed != nullptr && removed->squashed ? 1U : 0U;
        model_.remove_done(id);
        co_return;
    }
    context_.trace("admin: remove {} failed: {}", id, result.error().message);
    if (result.error().code != ServiceError::Code::busy) {
        context_.fail(fmt::format("remove of {} failed: {}", id, result.error().message));
    }
    if (SnapshotModel* kept = model_.find(id); kept != nullptr) {
        kept->removing = false;
    }
}

void World::admin_priority()
{
    SnapshotModel* snapshot = some_snapshot();
    if (snapshot == nullptr || snapshot->priorities.size() > 1) {
        return; // one change of a snapshot at a time
    }
    const int priority = context_.rng.percent(15) ? 127 : static_cast<int>(context_.rng.below(20)) - 10;
    if (!snapshot->priorities.insert(priority).second) {
        return; // a change that is none could not be told from one that is over
    }
    ++admin_under_way_;
    snapstore::spawn(daemon()->frames(), run_priority(*daemon(), snapshot->id, priority));
}

snapstore::Task<void> World::run_priority(Daemon& target, std::uint64_t id, int priority)
{
    const auto result =
        co_await target.service().set_priority(snapstore::SnapshotId{id}, static_cast<std::int8_t>(priority));
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    SnapshotModel* snapshot = model_.find(id);
    if (snapshot == nullptr) {
        co_return;
    }
    if (result) {
        context_.trace("admin: priority of {} is {}", id, priority);
        if (result->state == snapstore::SnapshotState::squashed) {
            model_.squash_seen(id); // while it had its old priority
        }
        model_.note_pins();
        snapshot->priorities = {priority};
    } else if (!snapshot->removing && !snapshot->squashed &&
               result.error().code != ServiceError::Code::squashed) {
        context_.fail(fmt::format("priority of {} failed: {}", id, result.error().message));
    }
}

void World::admin_use()
{
    SnapshotModel* snapshot = some_snapshot();
    if (snapshot == nullptr || snapshot->use_counts.size() > 1) {
        return;
    }
    const std::uint32_t now = *snapshot->use_counts.begin();
    const std::int64_t difference = now > 0 && context_.rng.percent(70) ? -1 : 1;
    snapshot->use_counts.insert(static_cast<std::uint32_t>(now + difference));
    ++admin_under_way_;
    snapstore::spawn(daemon()->frames(), run_use(*daemon(), snapshot->id, difference));
}

snapstore::Task<void> World::run_use(Daemon& target, std::uint64_t id, std::int64_t difference)
{
    const auto result = co_await target.service().add_use(snapstore::SnapshotId{id}, difference);
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    SnapshotModel* snapshot = model_.find(id);
    if (snapshot == nullptr) {
        co_return;
    }
    if (result && snapshot->removing) {
        snapshot->use_counts.insert(*result); // who was first is not known
    } else if (result) {
        snapshot->use_counts = {*result};
    } else if (!result && !snapshot->removing && !snapshot->squashed &&
               result.error().code != ServiceError::Code::squashed) {
        context_.fail(fmt::format("use count of {} failed: {}", id, result.error().message));
    }
}

snapstore::Task<void> World::run_checkpoint(Daemon& target)
{
    const auto result = co_await target.service().checkpoint();
    if (target.dead()) {
        co_return;
    }
    --admin_under_way_;
    if (!result) {
        context_.fail(fmt::format("checkpoint failed: {}", result.error().message));
    }
}

} // namespace sim
