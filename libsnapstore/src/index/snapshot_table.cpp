// SPDX-License-Identifier: GPL-2.0
#include "index/snapshot_table.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "memory/assertion.h"

namespace snapstore {

namespace {

bool id_below(const Snapshot* s, SnapshotId id) { return s->info.id < id; }
bool epoch_below(const std::unique_ptr<Snapshot>& s, Epoch epoch) { return s->info.epoch < epoch; }

// Puts `epoch` into the ascending set or takes it out. Never allocates when the capacity suffices.
void update_set(std::vector<std::uint32_t>& set, std::uint32_t epoch, bool wanted) noexcept
{
    const auto at = std::lower_bound(set.begin(), set.end(), epoch);
    const bool present = at != set.end() && *at == epoch;
    if (wanted && !present) {
        set.insert(at, epoch);
    } else if (!wanted && present) {
        set.erase(at);
    }
}

template <std::size_t N>
void pack_text(std::array<char, N>& to, const std::string& from) noexcept
{
    to.fill('\0');
    std::memcpy(to.data(), from.data(), std::min(from.size(), N - 1));
}

template <std::size_t N>
std::string unpack_text(const std::array<char, N>& from)
{
    return {from.data(), ::strnlen(from.data(), N - 1)};
}

} // namespace

bool SnapshotTable::insert(Snapshot snapshot)
{
    const SnapshotInfo& info = snapshot.info;
    const bool listed = info.state != SnapshotState::deleting;
    if (find(info.epoch) != nullptr || (listed && find(info.id) != nullptr)) {
        return false;
    }
    auto owned = std::make_unique<Snapshot>(std::move(snapshot));
    Snapshot* s = owned.get();
    all_.insert(std::lower_bound(all_.begin(), all_.end(), s->info.epoch, epoch_below), std::move(owned));
    if (listed) {
        by_id_.insert(std::lower_bound(by_id_.begin(), by_id_.end(), s->info.id, id_below), s);
    }
    live_.reserve(all_.size());
    held_.reserve(all_.size());
    steps_.reserve(all_.size());
    update_sets(*s);
    dirty_ = true;
    return true;
}

void SnapshotTable::update_sets(const Snapshot& snapshot) noexcept
{
    const SnapshotInfo& info = snapshot.info;
    const bool live = info.state == SnapshotState::normal;
    const bool used = info.state == SnapshotState::squashed && !snapshot.swept && !snapshot.released;
    update_set(live_, info.epoch.value, live);
    update_set(held_, info.epoch.value, live || used);
    update_steps(snapshot, live);
}

// Never allocates: insert() has reserved. Cheap but for a snapshot on a step that goes, or comes out of turn.
void SnapshotTable::update_steps(const Snapshot& snapshot, bool live) noexcept
{
    const auto on_step = std::find(steps_.begin(), steps_.end(), &snapshot);
    if (live == (on_step != steps_.end())) {
        return;
    }
    const bool newest = steps_.empty() || steps_.front()->info.epoch < snapshot.info.epoch;
    if (live && newest) {
        std::erase_if(steps_, [&](const Snapshot* s) { return s->info.size <= snapshot.info.size; });
        steps_.insert(steps_.begin(), &snapshot);
        return;
    }
    steps_.clear();
    for (auto s = all_.rbegin(); s != all_.rend(); ++s) {
        const bool larger = steps_.empty() || steps_.back()->info.size < (*s)->info.size;
        if ((*s)->info.state == SnapshotState::normal && larger) {
            steps_.push_back(s->get());
        }
    }
}

SnapshotTable::Cover SnapshotTable::cover(Sectors at) const noexcept
{
    for (const Snapshot* s : steps_) {
        if (at < s->info.size) {
            return {s->info.epoch, s->info.size};
        }
    }
    return {Epoch{}, Sectors{~std::uint64_t{0}}};
}

Snapshot* SnapshotTable::find(SnapshotId id) const noexcept
{
    const auto at = std::lower_bound(by_id_.begin(), by_id_.end(), id, id_below);
    return at != by_id_.end() && (*at)->info.id == id ? *at : nullptr;
}

Snapshot* SnapshotTable::find(Epoch epoch) const noexcept
{
    const auto at = std::lower_bound(all_.begin(), all_.end(), epoch, epoch_below);
    return at != all_.end() && (*at)->info.epoch == epoch ? at->get() : nullptr;
}

void SnapshotTable::set_state(Snapshot& snapshot, SnapshotState state) noexcept
{
    if (state == SnapshotState::deleting && snapshot.info.state != SnapshotState::deleting) {
        std::erase(by_id_, &snapshot);
    }
    snapshot.info.state = state;
    update_sets(snapshot);
    dirty_ = true;
}

void SnapshotTable::set_swept(Snapshot& snapshot) noexcept
{
    snapshot.swept = true;
    update_sets(snapshot);
    dirty_ = true;
}

void SnapshotTable::set_released(Snapshot& snapshot) noexcept
{
    snapshot.released = true;
    update_sets(snapshot);
}

void SnapshotTable::erase(Epoch epoch) noexcept
{
    const auto at = std::lower_bound(all_.begin(), all_.end(), epoch, epoch_below);
    SNAPSTORE_ASSERT(at != all_.end() && (*at)->info.epoch == epoch);
    SNAPSTORE_ASSERT((*at)->info.state == SnapshotState::deleting);
    all_.erase(at);
    dirty_ = true;
}

bool SnapshotTable::any_held(std::uint32_t after, std::uint32_t upto) const noexcept
{
    const auto at = std::upper_bound(held_.begin(), held_.end(), after);
    return at != held_.end() && *at <= upto;
}

Snapshot* SnapshotTable::victim() const noexcept
{
    const auto rank = [](const Snapshot& s) {
        return std::tuple(s.info.use_count > 0, s.info.priority, s.info.epoch.value);
    };
    Snapshot* best = nullptr;
    for (const auto& s : all_) {
        if (s->info.state == SnapshotState::normal && s->info.priority != 127 &&
            (best == nullptr || rank(*s) < rank(*best))) {
            best = s.get();
        }
    }
    return best;
}

snapshot_disk pack_snapshot(const Snapshot& snapshot) noexcept
{
    const SnapshotInfo& info = snapshot.info;
    snapshot_disk disk{};
    disk.id = info.id.value;
    disk.epoch = info.epoch.value;
    disk.use_count = info.use_count;
    disk.uuid = info.uuid;
    disk.created_ns = info.created_ns;
    disk.size = info.size.value;
    disk.priority = static_cast<std::uint8_t>(info.priority);
    disk.state = static_cast<std::uint8_t>(info.state);
    disk.flags = snapshot.swept ? kSnapshotSwept : std::uint8_t{0};
    pack_text(disk.name, info.name);
    pack_text(disk.tag, info.tag);
    return disk;
}

Result<Snapshot> unpack_snapshot(const snapshot_disk& disk)
{
    if (disk.state > static_cast<std::uint8_t>(SnapshotState::deleting) || disk.epoch == 0U) {
        return fail(Errc::corrupt, "snapshot: value out of range", disk.id);
    }
    Snapshot snapshot;
    SnapshotInfo& info = snapshot.info;
    info.id = SnapshotId{disk.id};
    info.epoch = Epoch{disk.epoch};
    info.use_count = disk.use_count;
    info.uuid = disk.uuid;
    info.created_ns = disk.created_ns;
    info.size = Sectors{disk.size};
    info.priority = static_cast<std::int8_t>(disk.priority);
    info.state = static_cast<SnapshotState>(disk.state);
    info.name = unpack_text(disk.name);
    info.tag = unpack_text(disk.tag);
    snapshot.swept = (disk.flags & kSnapshotSwept) != 0;
    return snapshot;
}

attachment_disk pack_attachment(const Attachment& attachment) noexcept
{
    attachment_disk disk{};
    disk.client = attachment.client;
    disk.boot = attachment.boot;
    disk.snapshot = attachment.snapshot.value;
    disk.origin = attachment.origin ? 1U : 0U;
    disk.kind = attachment.kind;
    disk.major_or_pid = attachment.major_or_pid;
    disk.minor = attachment.minor;
    disk.start_time = attachment.start_time;
    pack_text(disk.name, attachment.name);
    return disk;
}

Attachment unpack_attachment(const attachment_disk& disk)
{
    Attachment attachment;
    attachment.client = disk.client;
    attachment.boot = disk.boot;
    attachment.snapshot = SnapshotId{disk.snapshot};
    attachment.origin = disk.origin != 0U;
    attachment.kind = disk.kind;
    attachment.major_or_pid = disk.major_or_pid;
    attachment.minor = disk.minor;
    attachment.start_time = disk.start_time;
    attachment.name = unpack_text(disk.name);
    return attachment;
}

} // namespace snapstore
