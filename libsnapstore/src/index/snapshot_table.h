// SPDX-License-Identifier: GPL-2.0
// The snapshots of a volume, in memory. Ordered by epoch; found by number.
//
// Only insert() allocates.
#pragma once

#include <memory>
#include <vector>

#include "format/disk_format.h"
#include "snapstore/error.h"
#include "snapstore/store.h"

namespace snapstore {

struct Snapshot {
    SnapshotInfo info;
    bool swept = false;       // squashed, and its garbage is out of the tree
    bool released = false;    // squashed, and no client can use its extents any more
    bool overdue = false;     // squashed, and its release is not waited for (Release::overdue)
    bool has_private = false; // some private exception may exist
    bool in_sweep = false;    // a pass of the sweep looks for its garbage
};

class SnapshotTable {
public:
    // False if the epoch is there already, or the number among those not being deleted.
    bool insert(Snapshot snapshot);
    Snapshot* find(SnapshotId id) const noexcept; // not those being deleted
    Snapshot* find(Epoch epoch) const noexcept;   // all
    void set_state(Snapshot& snapshot, SnapshotState state) noexcept;
    void set_swept(Snapshot& snapshot) noexcept;
    void set_released(Snapshot& snapshot) noexcept;
    void erase(Epoch epoch) noexcept;
    void touch() noexcept { dirty_ = true; }
    bool dirty() const noexcept { return dirty_; }
    void clean() noexcept { dirty_ = false; }

    std::size_t listed() const noexcept { return by_id_.size(); } // without those being deleted
    // Live snapshots are those that can be read.
    bool none_live() const noexcept { return live_.empty(); }
    std::size_t live() const noexcept { return live_.size(); }
    Epoch newest_live() const noexcept { return Epoch{live_.empty() ? 0 : live_.back()}; }
    // The newest live snapshot that has the sector; epoch 0 if none has. The same one is the newest that has
    // each sector from there to `end`; if there is none, no live snapshot has any that lies further on.
    struct Cover {
        Epoch newest;
        Sectors end;
    };
    Cover cover(Sectors at) const noexcept;
    // Is a snapshot with after < epoch <= upto held? Held are live ones, and squashed ones whose extents
    // some client may still use: what serves them is not garbage.
    bool any_held(std::uint32_t after, std::uint32_t upto) const noexcept;
    // The one to squash next: unused before used, then by priority, then the oldest. Null if all are pinned.
    Snapshot* victim() const noexcept;

    const std::vector<std::unique_ptr<Snapshot>>& all() const noexcept { return all_; }

private:
    void update_sets(const Snapshot& snapshot) noexcept;
    void update_steps(const Snapshot& snapshot, bool live) noexcept;

    std::vector<std::unique_ptr<Snapshot>> all_; // by epoch
    std::vector<Snapshot*> by_id_;               // without those being deleted
    std::vector<std::uint32_t> live_;            // epochs, ascending
    std::vector<std::uint32_t> held_;
    // The newest live snapshot, the newest live one that is larger, the newest that is larger still, …: one
    // step unless the origin was resized.
    std::vector<const Snapshot*> steps_;
    bool dirty_ = false;
};

snapshot_disk pack_snapshot(const Snapshot& snapshot) noexcept;
Result<Snapshot> unpack_snapshot(const snapshot_disk& disk);
attachment_disk pack_attachment(const Attachment& attachment) noexcept;
Attachment unpack_attachment(const attachment_disk& disk);

} // namespace snapstore
