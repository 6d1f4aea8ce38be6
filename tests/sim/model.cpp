// SPDX-License-Identifier: GPL-2.0
#include "sim/model.h"

#include <algorithm>

namespace sim {

SnapshotModel* Model::find(std::uint64_t id)
{
    const auto it = snapshots_.find(id);
    return it == snapshots_.end() ? nullptr : &it->second;
}

void Model::resize_decided(std::uint64_t sectors)
{
    if (!sizes_.contains(sectors)) {
        context_.fail(fmt::format("the volume has {} sectors, expected {}", sectors, origin_sectors));
    }
    origin_sectors = sectors;
    sizes_ = {sectors};
}

bool Model::any_pinned() const
{
    return std::any_of(snapshots_.begin(), snapshots_.end(), [](const auto& entry) {
        return !entry.second.squashed && entry.second.priorities.contains(127);
    });
}

bool Model::pinned_lately() const
{
    constexpr Micros kUnderWay = 100'000; // a refusal may be on its way as long
    return any_pinned() || (last_pinned_ != 0 && context_.scheduler.now() - last_pinned_ < kUnderWay);
}

void Model::note_pins()
{
    if (any_pinned()) {
        last_pinned_ = context_.scheduler.now();
    }
}

void Model::adopt(const snapstore::SnapshotInfo& info, int priority)
{
    SnapshotModel snapshot;
    snapshot.id = info.id.value;
    snapshot.epoch = info.epoch.value;
    snapshot.name = info.name;
    const auto closed = closed_.find(snapshot.epoch);
    snapshot.content = closed != closed_.end() ? closed->second : origin.freeze();
    snapshot.content.truncate(info.size.value);
    if (!sizes_.contains(info.size.value)) {
        context_.fail(fmt::format("snapshot {} has {} sectors, the volume {}", snapshot.id, info.size.value,
                                  origin_sectors));
    }
    snapshot.priorities = {priority};
    snapshot.use_counts = {0};
    promised_.erase(snapshot.epoch);
    adopted_.insert(snapshot.epoch);
    if (snapshots_.contains(snapshot.id)) {
        context_.fail(fmt::format("snapshot number {} was given twice", snapshot.id));
    }
    context_.trace("model: snapshot {} '{}' closes epoch {}", snapshot.id, snapshot.name, snapshot.epoch);
    snapshots_[snapshot.id] = std::move(snapshot);
}

void Model::create_done(const snapstore::SnapshotInfo& info)
{
    const auto it = pending_.find(info.name);
    if (it == pending_.end()) {
        return; // already seen in a list
    }
    const int priority = it->second;
    pending_.erase(it);
    adopt(info, priority);
}

void Model::create_failed(const std::string& name)
{
    if (pending_.erase(name) == 0) {
        context_.fail(fmt::format("create of '{}' failed, but the snapshot is there", name));
    }
}

void Model::epoch_seen(std::uint32_t from, std::uint32_t to)
{
    for (std::uint32_t epoch = from; epoch < to; ++epoch) {
        if (!adopted_.contains(epoch)) {
            closed_[epoch] = origin.freeze();
            promised_.insert(epoch);
        }
    }
}

void Model::squash_seen(std::uint64_t id)
{
    note_pins();
    SnapshotModel* snapshot = find(id);
    if (snapshot == nullptr || snapshot->squashed) {
        return;
    }
    if (ample_) {
        context_.fail(fmt::format("snapshot {} was squashed although the store is large enough", id));
    }
    if (snapshot->priorities == std::set<int>{127}) {
        context_.fail(fmt::format("snapshot {} is pinned and was squashed", id));
    }
    context_.trace("model: snapshot {} is squashed", id);
    snapshot->squashed = true;
}

void Model::compare(SnapshotModel& snapshot, const snapstore::SnapshotInfo& info)
{
    if (info.epoch.value != snapshot.epoch || info.name != snapshot.name) {
        context_.fail(fmt::format("snapshot {}: epoch {} '{}', expected {} '{}'", snapshot.id,
                                  info.epoch.value, info.name, snapshot.epoch, snapshot.name));
    }
    if (info.size.value != snapshot.content.sectors()) {
        context_.fail(fmt::format("snapshot {} has {} sectors, expected {}", snapshot.id, info.size.value,
                                  snapshot.content.sectors()));
    }
    if (!snapshot.priorities.contains(info.priority)) {
        context_.fail(fmt::format("snapshot {}: priority {}, expected {}", snapshot.id, info.priority,
                                  *snapshot.priorities.begin()));
    }
    if (!snapshot.use_counts.contains(info.use_count)) {
        context_.fail(fmt::format("snapshot {}: use count {}, expected {}", snapshot.id, info.use_count,
                                  *snapshot.use_counts.begin()));
    }
    if (info.state == snapstore::SnapshotState::squashed) {
        squash_seen(snapshot.id);
    } else if (snapshot.squashed) {
        context_.fail(fmt::format("snapshot {} was squashed and is back", snapshot.id));
    }
}

void Model::reconcile(const std::vector<snapstore::SnapshotInfo>& list, bool quiescent)
{
    note_pins();
    std::set<std::uint64_t> listed;
    for (const snapstore::SnapshotInfo& info : list) {
        listed.insert(info.id.value);
        const auto pending = pending_.find(info.name);
        if (pending != pending_.end()) {
            const int priority = pending->second;
            pending_.erase(pending);
            adopt(info, priority);
        }
        SnapshotModel* snapshot = find(info.id.value);
        if (snapshot == nullptr) {
            context_.fail(fmt::format("snapshot {} '{}' should not exist", info.id.value, info.name));
            return;
        }
        compare(*snapshot, info);
        if (quiescent) {
            snapshot->removing = false;
            snapshot->priorities = {info.priority};
            snapshot->use_counts = {info.use_count};
        }
    }
    std::erase_if(snapshots_, [&](const auto& entry) {
        if (listed.contains(entry.first)) {
            return false;
        }
        if (!entry.second.removing) {
            context_.fail(fmt::format("snapshot {} '{}' is lost", entry.first, entry.second.name));
        }
        return quiescent;
    });
    if (quiescent) {
        pending_.clear();
        if (!promised_.empty()) {
            context_.fail(
                fmt::format("the client was told that epoch {} is closed, but no snapshot closes it",
                            *promised_.begin()));
        }
        closed_.clear();
    }
}

void Model::power_cut()
{
    origin.power_cut();
    for (auto& [id, snapshot] : snapshots_) {
        snapshot.content.power_cut();
    }
}

} // namespace sim
