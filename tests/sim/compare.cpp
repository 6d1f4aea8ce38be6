// SPDX-License-Identifier: GPL-2.0
// The verdict: does the volume hold what it must?
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "sim/world.h"

namespace sim {
namespace {

constexpr Micros kIdleLimit = 120'000'000;
constexpr std::uint64_t kReadBlocks = 64;

} // namespace

bool World::idle() const
{
    if (daemons_.empty() || !daemons_.back()->open() || admin_under_way_ > 0) {
        return false;
    }
    if (origin_ != nullptr && !origin_->gone() && (!origin_->in_session() || !origin_->idle())) {
        return false;
    }
    return std::all_of(snapshot_clients_.begin(), snapshot_clients_.end(), [](const auto& client) {
        return client->gone() || (client->in_session() && client->idle());
    });
}

bool World::everyone_left() const
{
    return (origin_ == nullptr || origin_->gone()) &&
           std::all_of(snapshot_clients_.begin(), snapshot_clients_.end(),
                       [](const auto& client) { return client->gone(); });
}

// Liveness: with nothing new to do, everything that was asked for comes to its end.
bool World::run_until_idle(const char* when)
{
    return step_until([this] { return idle(); }, kIdleLimit, when);
}

bool World::compare(const char* when)
{
    context_.trace("---- compare {} ----", when);
    model_.reconcile(daemon()->service().store().snapshots().list(), admin_under_way_ == 0);
    observe_origin(when);
    std::vector<std::uint64_t> ids;
    for (const auto& [id, snapshot] : model_.snapshots()) {
        ids.push_back(id);
    }
    for (const std::uint64_t id : ids) {
        if (context_.failed() || !compare_snapshot(id)) {
            return false;
        }
    }
    compare_deltas();
    return !context_.failed();
}

// Some pairs of snapshots, and a snapshot and the origin. Nothing but what was compared decides which.
void World::compare_deltas()
{
    constexpr int kPairs = 6;
    std::vector<const SnapshotModel*> live;
    for (const auto& [id, snapshot] : model_.snapshots()) {
        const auto info = daemon()->service().store().snapshots().find(snapstore::SnapshotId{id});
        if (!snapshot.squashed && info && info->state == snapstore::SnapshotState::normal) {
            live.push_back(&snapshot);
        }
    }
    std::sort(live.begin(), live.end(), [](const auto* a, const auto* b) { return a->epoch < b->epoch; });
    Rng rng(statistics_.compared);
    for (int i = 0; i < kPairs && !live.empty() && !context_.failed(); ++i) {
        const std::uint64_t from = rng.below(live.size());
        const std::uint64_t to = rng.between(from + 1, live.size());
        compare_delta(*live[from], to == live.size() ? nullptr : live[to]);
    }
}

// All of it, a few ranges at a time. False if that fails.
bool World::list_delta(snapstore::SnapshotId from, std::optional<snapstore::SnapshotId> to,
                       std::vector<snapstore::ChunkRange>& ranges)
{
    std::array<snapstore::ChunkRange, 5> out{};
    for (snapstore::DeltaPart part; !part.complete;) {
        const auto answer = daemon()->service().store().snapshots().delta(from, to, part.next, out);
        if (!answer) {
            context_.fail(fmt::format("delta from snapshot {}: {}", from.value, answer.error().what));
            return false;
        }
        part = *answer;
        ranges.insert(ranges.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(part.ranges));
    }
    return true;
}

// Whatever the model knows to differ must be in the delta.
void World::compare_delta(const SnapshotModel& from, const SnapshotModel* to)
{
    snapstore::Store& store = daemon()->service().store();
    const std::uint64_t chunk_sectors = (std::uint64_t{1} << store.info().chunk_shift) / kSector;
    const Content& now = to != nullptr ? to->content : model_.origin;
    const std::uint64_t end_sector = to != nullptr ? now.sectors() : model_.origin_sectors;
    const std::uint64_t sectors = std::min(from.content.sectors(), end_sector);
    const auto end = to != nullptr ? std::optional(snapstore::SnapshotId{to->id}) : std::nullopt;
    ++statistics_.deltas;
    std::vector<snapstore::ChunkRange> ranges;
    if (!list_delta(snapstore::SnapshotId{from.id}, end, ranges)) {
        return;
    }
    std::vector<bool> listed((end_sector + chunk_sectors - 1) / chunk_sectors);
    for (const auto& range : ranges) {
        if (range.end().value > listed.size()) {
            context_.fail(fmt::format("delta from snapshot {}: chunks {}+{} are beyond the end", from.id,
                                      range.first.value, range.count));
            return;
        }
        std::fill_n(listed.begin() + static_cast<std::ptrdiff_t>(range.first.value), range.count, true);
    }
    for (std::uint64_t sector = sectors; sector < end_sector; ++sector) {
        if (!listed[sector / chunk_sectors]) {
            context_.fail(fmt::format("delta from snapshot {}: chunk {} is missing, which it does not have",
                                      from.id, sector / chunk_sectors));
            return;
        }
    }
    for (std::uint64_t sector = 0; sector < sectors; ++sector) {
        const auto before = from.content.known(sector);
        const auto after = now.known(sector);
        if (before && after && *before != *after && !listed[sector / chunk_sectors]) {
            context_.fail(
                fmt::format("delta from snapshot {} to {}: chunk {} is missing: sector {} is {}, then {}",
                            from.id, to != nullptr ? fmt::format("{}", to->id) : "the origin",
                            sector / chunk_sectors, sector, describe(*before), describe(*after)));
            return;
        }
    }
}

// Reads the whole snapshot through the protocol; the client compares.
bool World::compare_snapshot(std::uint64_t id)
{
    const SnapshotModel* snapshot = model_.find(id);
    if (snapshot == nullptr || snapshot->squashed) {
        return true;
    }
    SnapshotClient* reader = nullptr;
    for (const auto& client : snapshot_clients_) {
        if (!client->gone() && !client->leaving() && client->snapshot() == id) {
            reader = client.get();
        }
    }
    const bool temporary = reader == nullptr;
    if (temporary) {
        reader = add_snapshot_client(id, true);
    }
    ++statistics_.compared;
    for (std::uint64_t block = 0; block < reader->blocks(); block += kReadBlocks) {
        reader->read(block, kReadBlocks);
    }
    const bool good = step_until([reader] { return reader->gone() || reader->idle(); }, kIdleLimit,
                                 "a snapshot to be read");
    if (temporary && !reader->gone()) {
        reader->begin_leave(true);
    }
    return good;
}

bool World::check_store()
{
    bool done = false;
    snapstore::spawn(daemon()->frames(), run_check(*daemon(), done));
    return step_until([&done] { return done; }, kIdleLimit, "check");
}

snapstore::Task<void> World::run_check(Daemon& target, bool& done)
{
    co_await target.service().store().upkeep().quiesce();
    const auto report = co_await target.service().check(true);
    if (target.dead()) {
        co_return;
    }
    done = true;
    if (!report) {
        context_.fail(fmt::format("check failed: {}", report.error().message));
        co_return;
    }
    for (const snapstore::Damage& damage : report->damage.listed()) {
        context_.fail(fmt::format("check: {} at {}, chunk {}, epoch {}", damage.what, damage.where,
                                  damage.chunk.value, damage.epoch.value));
    }
    if (report->leaked_chunks != 0) {
        context_.fail(fmt::format("check: {} chunks of the store are leaked", report->leaked_chunks));
    }
}

} // namespace sim
