// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/commands/background_cycle.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/systemd/timers.h"

namespace zumastor {
namespace {

std::string log_file(const Volume& volume)
{
    const std::filesystem::path beside(prepare_log_file(volume.paths(), volume.config().name));
    return (beside.parent_path() / "replicate.log").string();
}

// What the process has instead of the caller's terminal or pipes. Opened by the caller, so that it can say
// what is wrong.
struct Place {
    ddsnap::UniqueFd null;
    ddsnap::UniqueFd out;
};

Place open_place(const std::string& log)
{
    Place place{ddsnap::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                ddsnap::UniqueFd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640))};
    if (!place.null || !place.out) {
        throw errno_failure("cannot detach from the terminal and log to " + log);
    }
    return place;
}

void take_own_session(const Place& place)
{
    if (::setsid() < 0 || ::dup2(place.null.get(), STDIN_FILENO) < 0 ||
        ::dup2(place.out.get(), STDOUT_FILENO) < 0 || ::dup2(place.out.get(), STDERR_FILENO) < 0 ||
        ::chdir("/") != 0) {
        throw errno_failure("cannot detach from the terminal");
    }
    note(format_rfc3339(now_ns()) + ": process " + std::to_string(::getpid()) + " begins");
}

// Until the process has a session of its own, the end of the caller's terminal would end it, too.
void wait_for_own_session(int from, pid_t child, const std::string& log)
{
    char byte = 0;
    ssize_t got = 0;
    do {
        got = ::read(from, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        throw Failure(Exit::failed, "process " + std::to_string(child) + " ended before the cycle began",
                      "see its log: " + log);
    }
}

} // namespace

bool go_on_in_background(const Volume& volume, const std::vector<HostName>& hosts, bool plain)
{
    const std::string& name = volume.config().name;
    for (const HostName& host : hosts) {
        const VolumeLock free = lock_cycle(volume, host); // given up at once: whoever does the work takes it
    }
    if (plain && hosts.size() == 1 && begin_cycle_unit(name, hosts.front())) {
        std::printf("the cycle has begun; see: zumastor status %s\n", name.c_str());
        return false;
    }
    const std::string log = log_file(volume);
    const Place place = open_place(log);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw errno_failure("cannot start another process");
    }
    ddsnap::UniqueFd from(ends[0]);
    ddsnap::UniqueFd to(ends[1]);
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child < 0) {
        throw errno_failure("cannot start another process");
    }
    if (child == 0) {
        from.reset();
        take_own_session(place);
        if (::write(to.get(), "", 1) != 1) { // a caller that was killed has said nothing: nothing is begun
            throw errno_failure("cannot tell the caller that the cycle begins");
        }
        return true;
    }
    to.reset();
    wait_for_own_session(from.get(), child, log);
    std::printf("the cycle has begun in process %d; see: zumastor status %s, and the log %s\n",
                static_cast<int>(child), name.c_str(), log.c_str());
    return false;
}

} // namespace zumastor
