// SPDX-License-Identifier: GPL-2.0
// A cycle as its volume remembers it: who is at it, when the last one was and how it ended. On disk it is
// /var/lib/zumastor/.state/VOL/cycle-to-HOST.json, or cycle-from-source.json; replaced at once, read by
// `zumastor status`. It decides nothing: what replication needs to be right is in the other state files.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/volume/volume.h"

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

// One cycle at a time. Throws Exit::busy, naming who is at it.
VolumeLock lock_cycle(const Volume& volume, const HostName& host);
// The process that is at it.
Known<int> ask_cycle_at_work(const std::string& volume, const HostName& host);
std::optional<int> cycle_at_work(const std::string& volume, const HostName& host);
// Ends the cycle that is at work, in order, and returns when it has ended. Throws Exit::busy if it does not.
void end_cycle(const Volume& volume, const HostName& host);

// Runs `cycle` under its lock and writes down how it went. Throws what it throws. What it could not do beside
// the transfer is in the troubles, and in the record: with the code of a command that is partly done.
CycleRecord run_cycle(Volume& volume, const HostName& host, Troubles& troubles,
                      const std::function<void(Troubles&)>& cycle);

// One that succeeded, for a log: what was sent where, how much, how long it took. `bytes`: of its stream.
std::string describe_cycle(const Volume& volume, const HostName& host, const CycleRecord& record,
                           std::uint64_t bytes);

std::uint64_t now_ns();

} // namespace zumastor
