// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/config/troubles.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/systemd/timers.h"

namespace zumastor {
namespace {

constexpr std::chrono::milliseconds kEndLimit{60000};

std::string purpose_of(const HostName& host) { return host.empty() ? "pull" : "push." + host; }

std::string direction(const Volume& volume, const HostName& host)
{
    return host.empty()
               ? "from " + (volume.config().source ? volume.config().source->host.str() : "its source")
               : "to " + host;
}

std::string command_of(int pid)
{
    std::string words = read_text("/proc/" + std::to_string(pid) + "/cmdline");
    std::replace(words.begin(), words.end(), '\0', ' ');
    words.erase(words.find_last_not_of(' ') + 1);
    return words;
}

// What the replica has after a cycle that succeeded.
std::string snapshot_of_cycle(const Volume& volume, const std::vector<SnapshotEntry>& list,
                              const HostName& host)
{
    if (host.empty()) {
        return load_replica_state(volume.paths().state).last;
    }
    std::string newest; // a host may have had other replicas before
    std::uint64_t epoch = 0;
    for (const TargetState& state : load_target_states(volume.paths().state)) {
        for (const SnapshotEntry& snapshot : list) {
            if (state.host == host && state.base == snapshot.uuid && snapshot.epoch >= epoch) {
                newest = snapshot.uuid;
                epoch = snapshot.epoch;
            }
        }
    }
    return newest;
}

void note_success(const Volume& volume, const HostName& host, CycleRecord& record)
{
    record.success_ns = record.ended_ns;
    const std::vector<SnapshotEntry> list = volume.daemon().list();
    record.snapshot = snapshot_of_cycle(volume, list, host);
    for (const SnapshotEntry& snapshot : list) {
        if (snapshot.uuid == record.snapshot) {
            record.created_ns = snapshot.created_ns;
        }
    }
}

void note_failure(CycleRecord& record, Exit code, const std::string& error, const std::string& next)
{
    record.ended_ns = now_ns();
    record.code = static_cast<int>(code);
    record.error = error;
    record.next = next;
}

} // namespace

Known<int> ask_cycle_at_work(const std::string& volume, const HostName& host)
{
    return VolumeLock::ask_holder(volume, purpose_of(host));
}

std::optional<int> cycle_at_work(const std::string& volume, const HostName& host)
{
    return ask_cycle_at_work(volume, host).need();
}

VolumeLock lock_cycle(const Volume& volume, const HostName& host)
{
    const std::string& name = volume.config().name;
    try {
        return VolumeLock(name, purpose_of(host));
    } catch (const Failure& failure) {
        const auto holder = cycle_at_work(name, host);
        if (failure.code() != Exit::busy || !holder) {
            throw;
        }
        throw Failure(Exit::busy,
                      volume.what() + ": a cycle " + direction(volume, host) + " is at work: process " +
                          std::to_string(*holder) + " (" + command_of(*holder) + ")",
                      "wait for the cycle; to see its progress: zumastor status " + name);
    }
}

void end_cycle(const Volume& volume, const HostName& host)
{
    const std::string& name = volume.config().name;
    end_cycle_unit(name, host);
    const auto holder = cycle_at_work(name, host);
    if (!holder) {
        return;
    }
    note(volume.what() + ": ending the cycle " + direction(volume, host) + ", process " +
         std::to_string(*holder));
    if (::kill(*holder, SIGTERM) != 0 && errno != ESRCH) {
        throw errno_failure("cannot end process " + std::to_string(*holder));
    }
    if (!wait_for_exit(*holder, kEndLimit)) {
        throw Failure(Exit::busy,
                      volume.what() + ": the cycle " + direction(volume, host) + ", process " +
                          std::to_string(*holder) + ", does not end",
                      "see what the process waits for; if it is killed, the next cycle resumes its "
                      "work");
    }
}

CycleRecord run_cycle(Volume& volume, const HostName& host, Troubles& troubles,
                      const std::function<void(Troubles&)>& cycle)
{
    const VolumeLock lock = lock_cycle(volume, host);
    const std::string& directory = volume.paths().state;
    CycleRecord record = load_cycle(directory, host);
    // It is not for the record's sake that there are cycles.
    const auto write_down = [&](Troubles& to) {
        attempt(to, "the result of the cycle is not saved", [&] { save_cycle(directory, host, record); });
    };
    record.begun_ns = now_ns();
    record.ended_ns = 0;
    record.code = 0;
    record.error.clear();
    record.next.clear();
    Troubles own;
    write_down(own);
    own.clear();     // said at the end, if it is so still
    Troubles unsaid; // a failure is said by who has begun the cycle
    try {
        cycle(own);
    } catch (const Failure& failure) {
        note_failure(record, failure.code(), failure.what(), failure.next());
        write_down(unsaid);
        throw;
    } catch (const std::exception& error) {
        note_failure(record, Exit::failed, std::string("unexpected: ") + error.what(), "");
        write_down(unsaid);
        throw;
    }
    if (!own.empty()) {
        note_failure(record, Exit::partly, join(own, "; "), "");
    }
    record.ended_ns = now_ns();
    note_success(volume, host, record);
    write_down(own);
    troubles.insert(troubles.end(), own.begin(), own.end());
    return record;
}

std::string describe_cycle(const Volume& volume, const HostName& host, const CycleRecord& record,
                           std::uint64_t bytes)
{
    char seconds[32];
    (void)std::snprintf(seconds, sizeof seconds, "%.1f",
                        static_cast<double>(record.ended_ns - record.begun_ns) / 1e9);
    return volume.what() + ": cycle " + direction(volume, host) + ": snapshot " + record.snapshot + ", " +
           std::to_string(bytes) + " bytes, " + seconds + " s";
}

} // namespace zumastor
