// SPDX-License-Identifier: GPL-2.0
// A cycle and its volume: who is at it, how it went (state/cycle_record.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/state/cycle_record.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

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

} // namespace zumastor
