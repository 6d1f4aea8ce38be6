// SPDX-License-Identifier: GPL-2.0
// What must be true of the volume: the content of the origin and of every snapshot, and which snapshots
// there are, as far as the applications and the administrator have been told.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/content.h"
#include "sim/context.h"
#include "snapstore/store.h"

namespace sim {

struct SnapshotModel {
    std::uint64_t id = 0;
    std::uint32_t epoch = 0;
    std::string name;
    Content content;
    std::uint64_t operations = 0; // numbers the stamps of its writes
    bool removing = false;        // asked for, not acknowledged: either is right
    bool squashed = false;        // has been seen squashed, and must stay so
    std::set<int> priorities;     // those it may have: more than one while a change is not acknowledged
    std::set<std::uint32_t> use_counts;
};

class Model {
public:
    Model(Context& context, std::uint64_t capacity, std::uint64_t sectors, bool ample)
        : origin(capacity), origin_sectors(sectors), sizes_{sectors}, context_(context), ample_(ample)
    {}

    Content origin;                      // of the whole device, also what is beyond the volume's end
    std::uint64_t origin_sectors;        // the volume's length, as the administrator knows it
    std::uint64_t origin_operations = 0; // numbers the stamps of origin writes

    // ---- the volume's length ----
    void resize_started(std::uint64_t sectors) { sizes_.insert(sectors); }
    // Answered, or found after a restart: no other is right from here on.
    void resize_decided(std::uint64_t sectors);

    // ---- creating: `name` is unique ----
    void create_started(const std::string& name, int priority) { pending_[name] = priority; }
    void create_done(const snapstore::SnapshotInfo& info);
    void create_failed(const std::string& name);
    // The origin's client goes from one epoch to a later one: nothing it wrote before belongs to a later
    // epoch, nothing it writes from here on to an earlier one.
    void epoch_seen(std::uint32_t from, std::uint32_t to);

    // ---- the list as the store tells it; it decides what was left open ----
    // `quiescent`: no create or remove is under way, so that what is missing does not exist.
    void reconcile(const std::vector<snapstore::SnapshotInfo>& list, bool quiescent);
    void remove_done(std::uint64_t id)
    {
        note_pins();
        snapshots_.erase(id);
    }
    void squash_seen(std::uint64_t id);

    SnapshotModel* find(std::uint64_t id);
    std::map<std::uint64_t, SnapshotModel>& snapshots() { return snapshots_; }
    // Is a snapshot pinned, or was one a moment ago? Then a write may be refused for want of space.
    bool pinned_lately() const;
    // Before anything that may end a pin.
    void note_pins();
    bool ample() const noexcept { return ample_; }
    void no_longer_ample() noexcept { ample_ = false; }

    void power_cut();

private:
    void adopt(const snapstore::SnapshotInfo& info, int priority);
    void compare(SnapshotModel& snapshot, const snapstore::SnapshotInfo& info);

    bool any_pinned() const;

    std::set<std::uint64_t> sizes_; // lengths that the volume may have now
    Context& context_;
    Micros last_pinned_ = 0;
    bool ample_;                         // the store is large enough for everything: nothing may be squashed
    std::map<std::string, int> pending_; // creates without an answer, with their priority
    std::map<std::uint64_t, SnapshotModel> snapshots_;
    std::map<std::uint32_t, Content> closed_; // what the origin held when an epoch closed
    std::set<std::uint32_t> adopted_;         // epochs of all snapshots that there ever were
    std::set<std::uint32_t> promised_;        // epochs that the client was told are closed
};

} // namespace sim
