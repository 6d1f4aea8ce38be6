// SPDX-License-Identifier: GPL-2.0
// What `zumastor status` says of replication. Everything comes from this host's own state: it answers while a
// peer is away, and takes no lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {

// A snapshot that the other side has, too.
struct SharedSnapshot {
    std::string uuid;                                         // empty: none
    Known<std::uint64_t> id = Known<std::uint64_t>::absent(); // here
    std::uint64_t created_ns = 0;                             // 0: not known
};

struct CycleView {
    CycleRecord record;
    Known<int> process = Known<int>::absent(); // at work
};

struct TargetView {
    Target target; // of one that only asks: host is empty, `volume` its name there
    CycleView cycle;
    std::string replica; // UUID; empty: it was never reached
    SharedSnapshot base;
    std::string in_flight; // UUID; empty: nothing
};

struct SourceView {
    CycleView cycle;
    SharedSnapshot last;
    std::uint64_t received_ns = 0; // 0: not known
    std::optional<Reception> reception;
    std::vector<std::string> wanted_kinds;
};

struct ReplicationView {
    std::vector<TargetView> targets; // as configured; after them those that ask by themselves
    std::optional<SourceView> source;
    std::string problem; // a state file that cannot be read; empty: none
};

// The store's snapshots, which the daemon has to be asked for.
using KnownSnapshots = Known<std::vector<SnapshotEntry>>;
ReplicationView gather_replication(const Volume& volume, const KnownSnapshots& list);

nlohmann::ordered_json targets_json(const ReplicationView& view);
nlohmann::ordered_json source_json(const ReplicationView& view, const VolumeConfig& config,
                                   std::uint64_t chunk_bytes);

// Rows for a table; `full`: also what is as it should be.
std::vector<std::vector<std::string>> replication_rows(const ReplicationView& view,
                                                       const VolumeConfig& config, bool full);

} // namespace zumastor
