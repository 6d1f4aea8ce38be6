// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/stream_lock.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/common/process.h"

namespace zumastor {
namespace {

constexpr auto kSilence = std::chrono::seconds(30);
constexpr int kRetryMs = 100;        // there is no event for a lock that becomes free
constexpr int kOrderlyEndMs = 5000;  // after SIGTERM
constexpr int kKilledEndMs = 10'000; // after SIGKILL; longer only if the kernel does not let go of it

// What the process has read and written so far, of whatever kind: it grows while a stream moves.
std::string moved_by(int pid) { return read_text("/proc/" + std::to_string(pid) + "/io"); }

bool has_ended(int process, int limit_ms)
{
    pollfd p{process, POLLIN, 0};
    return ::poll(&p, 1, limit_ms) > 0;
}

// Ends the process if it still is the one that has the lock.
void end_silent(const std::string& volume, const std::string& purpose, int pid)
{
    const ddsnap::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process || VolumeLock::holder(volume, purpose) != pid) {
        return; // it has ended by itself
    }
    note("volume " + volume + ": ends process " + std::to_string(pid) +
         ", whose stream has not moved for a while: its connection must have been cut");
    for (const auto& [signal, limit] :
         {std::pair{SIGTERM, kOrderlyEndMs}, std::pair{SIGKILL, kKilledEndMs}}) {
        if (::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) != 0 ||
            has_ended(process.get(), limit)) {
            return;
        }
    }
}

} // namespace

VolumeLock lock_stream(const std::string& volume, const std::string& purpose)
{
    std::optional<int> holder;
    std::string moved;
    std::chrono::steady_clock::time_point since;
    bool ended = false;
    for (;;) {
        try {
            return VolumeLock(volume, purpose);
        } catch (const Failure& failure) {
            if (failure.code() != Exit::busy) {
                throw;
            }
            const auto now = std::chrono::steady_clock::now();
            if (const auto pid = VolumeLock::holder(volume, purpose); pid && pid != holder) {
                holder = pid;
                moved = moved_by(*pid);
                since = now;
            } else if (pid && now - since >= kSilence) {
                if (ended || moved_by(*pid) != moved) {
                    throw;
                }
                end_silent(volume, purpose, *pid);
                ended = true;
            }
        }
        check_interrupt();
        ::poll(nullptr, 0, kRetryMs);
    }
}

} // namespace zumastor
