// SPDX-License-Identifier: GPL-2.0
// The verdict: does the volume hold what it must?
#include <algorithm>

#include "sim/world.h"

namespace sim {
namespace {

constexpr Micros kSettleLimit = 120'000'000;
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
bool World::settle(const char* when)
{
    return step_until([this] { return idle(); }, kSettleLimit, when);
}

bool World::compare(const char* when)
{
    context_.trace("---- compare {} ----", when);
    model_.reconcile(daemon()->service().store().list(), admin_under_way_ == 0);
    settle_origin(when);
    std::vector<std::uint64_t> ids;
    for (const auto& [id, snapshot] : model_.snapshots()) {
        ids.push_back(id);
    }
    for (const std::uint64_t id : ids) {
        if (context_.failed() || !compare_snapshot(id)) {
            return false;
        }
    }
    return !context_.failed();
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
    const bool good = step_until([reader] { return reader->gone() || reader->idle(); }, kSettleLimit,
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
    return step_until([&done] { return done; }, kSettleLimit, "check");
}

snapstore::Task<void> World::run_check(Daemon& target, bool& done)
{
    co_await target.service().store().quiesce();
    const auto report = co_await target.service().check(true);
    if (target.dead()) {
        co_return;
    }
    done = true;
    if (!report) {
        context_.fail(fmt::format("check failed: {}", report.error().message));
        co_return;
    }
    for (const snapstore::Damage& damage : report->damage) {
        context_.fail(fmt::format("check: {} at {}, chunk {}, epoch {}", damage.what, damage.where,
                                  damage.chunk.value, damage.epoch.value));
    }
    if (report->leaked_chunks != 0) {
        context_.fail(fmt::format("check: {} chunks of the store are leaked", report->leaked_chunks));
    }
}

} // namespace sim
