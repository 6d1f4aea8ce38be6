// SPDX-License-Identifier: GPL-2.0
// The snapshot of a cycle, taken while the connection to the replica is still being made: a good part of a
// short cycle.
#pragma once

#include <optional>
#include <string>

#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Invariant: while there is a snapshot that may be sent, it is written down as in flight to that replica, so
// that no rotation takes it away; one that is not sent is deleted again, and no longer written down. (After a
// crash it is what the next cycle finds in flight; see send_session() in session_ends.h.)
class EarlySnapshot {
public:
    // None is taken unless it is clear that this cycle will send a new one: the volume is no replica, no
    // other snapshot is asked for (`new_one`), and the replica was sent to before, to the end. `remote`: the
    // volume's name at `host`. Throws as take_consistent() does.
    EarlySnapshot(Volume& volume, const HostName& host, const std::string& remote, bool new_one);
    // Deletes it if nobody has kept it, and says so if it cannot.
    ~EarlySnapshot();
    EarlySnapshot(const EarlySnapshot&) = delete;
    EarlySnapshot& operator=(const EarlySnapshot&) = delete;

    // The snapshot, if it was taken for this replica.
    std::optional<SnapshotEntry> meant_for(const std::string& replica) const;
    // It is going to be sent.
    void keep() noexcept { snapshot_.reset(); }

private:
    void give_back();

    Volume& volume_;
    UuidText replica_; // of its store
    std::optional<SnapshotEntry> snapshot_;
};

} // namespace zumastor
