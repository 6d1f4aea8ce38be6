// SPDX-License-Identifier: GPL-2.0
#include "store/sweep.h"

#include <algorithm>
#include <array>
#include <utility>

#include "memory/assertion.h"
#include "store/planted_bugs.h"

namespace snapstore {

namespace {
constexpr std::size_t kScan = 512;  // entries looked at in one step
constexpr std::size_t kErase = 128; // entries removed in one step

bool wants_sweep(const Snapshot& s)
{
    return s.info.state == SnapshotState::deleting ||
           (s.info.state == SnapshotState::squashed && !s.swept && s.released);
}
} // namespace

bool Sweep::possible() const noexcept
{
    if (ctx_.failed) {
        return false;
    }
    if (sweeping_ || state_.late_garbage) {
        return true;
    }
    const auto& all = state_.table.all();
    return std::any_of(all.begin(), all.end(), [](const auto& s) { return wants_sweep(*s); });
}

bool Sweep::begin()
{
    if (!possible()) {
        return false;
    }
    epoch_ = ~std::uint32_t{0};
    for (const auto& s : state_.table.all()) {
        s->in_sweep = wants_sweep(*s);
        if (s->in_sweep) {
            epoch_ = std::min(epoch_, s->info.epoch.value);
        }
    }
    if (state_.late_garbage) {
        epoch_ = 0; // it may be of any epoch
    }
    state_.late_garbage = false;
    cursor_ = Key{};
    sweeping_ = true;
    return true;
}

void Sweep::end()
{
    for (std::size_t i = 0; i < state_.table.all().size();) {
        Snapshot& s = *state_.table.all()[i];
        if (std::exchange(s.in_sweep, false)) {
            if (s.info.state == SnapshotState::deleting) {
                state_.table.erase(s.info.epoch); // the next one has its index now
                continue;
            }
            state_.table.set_swept(s);
        }
        ++i;
    }
    sweeping_ = false;
    if (places_.pending() > 0 || state_.table.dirty()) {
        checkpoint_.start();
    }
}

Sweep::Step Sweep::step()
{
    if (!sweeping_ && !begin()) {
        return Step::idle;
    }
    const std::uint64_t wanted = state_.tree->erase_bound(kErase) + room_.reserved_changes;
    if (state_.nodes.free() < wanted || state_.zone.free() < wanted + room_.reserved_blocks()) {
        room_.want_nodes(wanted);
        return Step::needs_checkpoint;
    }
    std::array<Entry, kErase> garbage{};
    std::size_t found = 0;
    std::size_t seen = 0;
    Entry previous;
    Key next = kNoKey;
    const auto visit = [&](const Entry& e, bool adjacent) {
        if (found == kErase || seen == kScan) {
            next = e.key;
            return false;
        }
        const bool same = seen > 0 && previous.key.key == e.key.key;
        if (state_.is_garbage(e, adjacent, same ? previous.key.epoch : 0)) {
            garbage[found++] = e;
        }
        previous = e;
        ++seen;
        return true;
    };
    const bool ended = state_.tree->visit(cursor_, kNoKey, epoch_, visit);
    for (std::size_t i = 0; i < found; ++i) {
        const bool erased = state_.tree->erase(garbage[i].key);
        SNAPSTORE_ASSERT(erased);
        if (garbage[i].stored()) {
            places_.free_later(garbage[i].store_chunk());
        } else if (garbage[i].lost()) {
            state_.lost_places.erase(garbage[i].key);
        }
    }
    ctx_.counters.swept_entries += found;
    cursor_ = next;
    if (ended) {
        end();
    }
    return Step::progress;
}

void Sweep::ask_released()
{
    for (const auto& s : state_.table.all()) {
        if (s->info.state != SnapshotState::squashed || s->swept || s->released) {
            continue;
        }
        const Release release = ctx_.observer.released(s->info.id);
        s->overdue = release == Release::overdue;
        if (release == Release::done) {
            state_.table.set_released(*s);
        }
    }
}

bool Sweep::stands_for_nodes() const noexcept
{
    return state_.nodes.free() < state_.tree->erase_bound(kErase);
}

} // namespace snapstore
