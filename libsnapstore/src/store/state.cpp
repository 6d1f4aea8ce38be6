// SPDX-License-Identifier: GPL-2.0
#include "store/state.h"

#include "store/planted_bugs.h"

namespace snapstore {

Result<Snapshot*> State::readable(SnapshotId id) const noexcept
{
    Snapshot* snapshot = table.find(id);
    if (snapshot == nullptr) {
        return fail(Errc::not_found, "no such snapshot", id.value);
    }
    if (snapshot->info.state == SnapshotState::squashed) {
        return fail(Errc::squashed, "the snapshot was squashed", id.value);
    }
    return snapshot;
}

std::optional<Entry> State::lookup(const Snapshot& snapshot, Chunk chunk) const noexcept
{
    if (snapshot.has_private) {
        if (auto entry = tree->find(Key::priv(chunk, snapshot.info.epoch)); entry) {
            return entry;
        }
    }
    const Key key = Key::shared(chunk, snapshot.info.epoch);
    auto entry = tree->lower_bound(key);
    return entry && entry->key.key == key.key ? entry : std::nullopt;
}

bool State::plausible(const Entry& e) const noexcept
{
    return e.key.chunk().value < ctx_.sb.chunks_of(ctx_.sb.origin.greatest()) && e.key.epoch != 0 &&
           e.key.epoch < epoch.value &&
           (e.lost() ? e.location == kLostLocation && !e.key.is_private()
                     : (e.location & ~(kZeroLocation | kLocationMask)) == 0);
}

bool State::is_garbage(const Entry& entry, bool adjacent, std::uint32_t previous) const noexcept
{
    if (entry.key.is_private()) {
        return !table.any_held(entry.key.epoch - 1, entry.key.epoch);
    }
    if (has_bug(PlantedBug::sweep_frees_needed_exception)) {
        return !table.any_held(entry.key.epoch - 1, entry.key.epoch);
    }
    if (!table.any_held(previous, entry.key.epoch)) {
        return true;
    }
    if (adjacent) {
        return false;
    }
    const auto before = tree->predecessor(entry.key);
    const bool same = before && before->key.key == entry.key.key;
    return same && !table.any_held(before->key.epoch, entry.key.epoch);
}

bool State::mark_lost_chunks() const noexcept
{
    return lost_places.count() > 0 && (ctx_.sb.features.incompat & kIncompatLostChunks) == 0;
}

std::uint64_t State::lose_snapshots(Epoch newest) noexcept
{
    std::uint64_t lost = 0;
    for (const auto& s : table.all()) {
        if (s->info.state == SnapshotState::normal && s->info.epoch <= newest) {
            table.set_state(*s, SnapshotState::squashed);
            ++lost;
        }
    }
    return lost;
}

void State::claim(std::uint64_t first_key, std::uint32_t count)
{
    for (std::uint32_t i = 0; i < count; ++i) {
        in_flight.insert(first_key + 2ULL * i);
    }
}

void State::unclaim(std::uint64_t first_key, std::uint32_t count)
{
    for (std::uint32_t i = 0; i < count; ++i) {
        in_flight.erase(first_key + 2ULL * i);
    }
    if (count > 0) {
        ctx_.queues.commit.wake_all();
    }
}

std::vector<LostChunk> list_lost(const State& state)
{
    std::vector<LostChunk> list;
    for (const Key& key : state.lost_places.known()) {
        const auto before = state.tree->predecessor(key);
        const std::uint32_t previous = before && before->key.key == key.key ? before->key.epoch : 0;
        LostChunk& entry = list.emplace_back();
        entry.chunk = key.chunk();
        for (const auto& s : state.table.all()) {
            const std::uint32_t at = s->info.epoch.value;
            const bool shares = at > previous && at <= key.epoch &&
                                !(s->has_private && state.tree->find(Key::priv(key.chunk(), s->info.epoch)));
            if (s->info.state == SnapshotState::normal && shares) {
                entry.snapshots.push_back(s->info.id);
            }
        }
    }
    return list;
}

} // namespace snapstore
