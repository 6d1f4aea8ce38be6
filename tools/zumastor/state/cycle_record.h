// SPDX-License-Identifier: GPL-2.0
// When a volume's last cycle was and how it ended: /var/lib/zumastor/.state/VOL/cycle-to-HOST.json, or
// cycle-from-source.json. `zumastor status` reads it. It decides nothing: what replication needs to be right
// is in the other state files.
#pragma once

#include <cstdint>
#include <string>

#include "tools/common/host_name.h"

namespace zumastor {

struct CycleRecord {
    std::uint64_t begun_ns = 0; // the last attempt; 0: there was none. Nanoseconds since 1970, as all here
    std::uint64_t ended_ns = 0; // 0: it has not ended, or was killed
    int code = 0;               // its exit code
    std::string error;          // empty: it succeeded; with the code of "partly done" the transfer did
    std::string next;
    std::uint64_t success_ns = 0; // end of the last one that succeeded; 0: none did
    std::string snapshot;         // UUID of what the replica had then
    std::uint64_t created_ns = 0; // when that snapshot was taken

    bool operator==(const CycleRecord&) const = default;
};

// `host`: of the target; empty: the cycle comes from the volume's source.
CycleRecord load_cycle(const std::string& state_directory, const HostName& host);
void save_cycle(const std::string& state_directory, const HostName& host, const CycleRecord& record);
void forget_cycle(const std::string& state_directory, const HostName& host);

} // namespace zumastor
