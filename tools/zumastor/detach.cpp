// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/detach.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/cycle.h"
#include "tools/zumastor/timers.h"

namespace zumastor {
namespace {

constexpr std::int64_t kLongestDelay = 365LL * 24 * 3600;

std::string log_file(const Volume& volume)
{
    const std::filesystem::path beside(prepare_log_file(volume.paths(), volume.config().name));
    return (beside.parent_path() / "replicate.log").string();
}

// Nothing of the caller's terminal or pipes stays open.
void take_own_session(const std::string& log)
{
    (void)::setsid();
    const ddsnap::UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const ddsnap::UniqueFd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!null || !out || ::dup2(null.get(), STDIN_FILENO) < 0 || ::dup2(out.get(), STDOUT_FILENO) < 0 ||
        ::dup2(out.get(), STDERR_FILENO) < 0 || ::chdir("/") != 0) {
        throw errno_failure("cannot go on without a terminal, logging to " + log);
    }
    note(format_rfc3339(now_ns()) + ": process " + std::to_string(::getpid()) + " begins");
}

// The unit runs a plain cycle: it takes no options.
bool unit_can_do(const std::vector<std::string>& hosts, const Args& args)
{
    constexpr std::array kOptions{"--snapnum", "--full", "--delay"};
    return hosts.size() == 1 && std::none_of(kOptions.begin(), kOptions.end(),
                                             [&](const char* option) { return args.has(option); });
}

} // namespace

bool go_on_detached(const Volume& volume, const std::vector<std::string>& hosts, const Args& args)
{
    const std::string& name = volume.config().name;
    for (const std::string& host : hosts) {
        const VolumeLock free = lock_cycle(volume, host); // given up at once: whoever does the work takes it
    }
    if (unit_can_do(hosts, args) && begin_cycle_unit(name, hosts.front())) {
        std::printf("begun; how it goes: zumastor status %s\n", name.c_str());
        return false;
    }
    const std::string log = log_file(volume);
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child < 0) {
        throw errno_failure("cannot begin another process");
    }
    if (child == 0) {
        take_own_session(log);
        return true;
    }
    std::printf("begun by process %d; how it goes: zumastor status %s, and %s\n", static_cast<int>(child),
                name.c_str(), log.c_str());
    return false;
}

void keep_delay(const Args& args)
{
    using Clock = std::chrono::steady_clock;
    const auto text = args.get("--delay");
    if (!text) {
        return;
    }
    const auto deadline = Clock::now() + std::chrono::seconds(need_integer(*text, "delay", 0, kLongestDelay));
    for (auto left = deadline - Clock::now(); left > Clock::duration::zero();
         left = deadline - Clock::now()) {
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        ::poll(nullptr, 0,
               static_cast<int>(std::min<std::int64_t>(ms, 1000))); // a signal may come just before it
        check_interrupt();
    }
}

} // namespace zumastor
