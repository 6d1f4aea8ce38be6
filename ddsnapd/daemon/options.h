// SPDX-License-Identifier: GPL-2.0
// The command line of ddsnapd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnapd/disk/witness_file.h"

namespace ddsnap::daemon {

struct Options {
    std::string store;
    std::string origin;
    std::optional<std::string> meta;
    std::string data_socket;
    std::string control_socket;
    bool foreground = false;
    std::string log_file; // empty: standard error (foreground) or the system's log
    std::string pid_file; // empty: none
    std::uint64_t cache_bytes = 64ull << 20;
    std::vector<unsigned> warn_at{80, 90, 95}; // percent of store and metadata in use; 0: no mark
    bool snapshot_first = false;               // writes to the origin fail before a snapshot is given up
    std::string witness{kWitnessDirectory};    // where that snapshots are lost is recorded; empty: nowhere
};

// Exits the process itself after --help, --version, --store-format or a mistake (status 0 or 2).
Options parse_options(int argc, const char* const* argv);

} // namespace ddsnap::daemon
