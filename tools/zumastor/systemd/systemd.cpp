// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/systemd/systemd.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
namespace {

constexpr std::chrono::milliseconds kSystemctlLimit{150000};
// systemd ends the start of a daemon that does not get on; one that does may take long to open a large store.
constexpr std::chrono::hours kDaemonStartLimit{2};

constexpr std::array kGenerators{"run/systemd/system-generators", "etc/systemd/system-generators",
                                 "usr/local/lib/systemd/system-generators",
                                 "usr/lib/systemd/system-generators", "lib/systemd/system-generators"};

std::string property(const std::string& unit, const std::string& name)
{
    return systemctl({"show", "--value", "--property=" + name, unit}).output;
}

// Of one that is not installed, systemd says "not-found", and that it could say so.
bool is_installed(const std::string& unit)
{
    if (!systemd_runs()) {
        return false;
    }
    const ProgramResult said = systemctl({"show", "--value", "--property=LoadState", unit});
    if (said.status != 0) {
        throw Failure(Exit::failed, "systemd does not say whether " + unit + " is installed: " + said.output,
                      "see: systemctl show " + quote_word(unit));
    }
    return said.output == "loaded";
}

// Tells zumastor@VOL.service that there is nothing to do any more. Gone with the next boot, as what it is
// about.
std::string mark_of(const std::string& volume)
{
    return Paths(VolumeName::need(volume)).runtime + "/started";
}

} // namespace

bool has_generator(const std::string& root)
{
    return std::any_of(kGenerators.begin(), kGenerators.end(), [&](const char* directory) {
        std::error_code error; // then it is not there
        return std::filesystem::is_regular_file(
            std::filesystem::path(root) / directory / "zumastor-generator", error);
    });
}

bool systemd_runs() { return look_at("/run/systemd/system").need().has_value(); }

ProgramResult systemctl(std::vector<std::string> words)
{
    words.insert(words.begin(), {"systemctl", "--no-ask-password"});
    return run_program(words, kSystemctlLimit);
}

bool has_daemon_unit(const std::string& volume) { return is_installed(daemon_unit(volume)); }

void start_daemon_unit(const std::string& volume)
{
    const std::string unit = daemon_unit(volume);
    // Daemons that ended before must not count against one that an administrator asks for.
    systemctl({"reset-failed", unit});
    const ProgramResult result =
        run_program({"systemctl", "--no-ask-password", "start", unit}, kDaemonStartLimit);
    if (result.status != 0) {
        const std::string reason = property(unit, "StatusText");
        throw Failure(Exit::failed,
                      "volume " + volume +
                          ": its daemon cannot be started: " + (reason.empty() ? result.output : reason),
                      "see its log: journalctl --unit=" + quote_word(unit));
    }
}

void mark_started(const std::string& volume)
{
    const std::string unit = volume_unit(volume);
    if (!is_installed(unit)) {
        return;
    }
    write_text(mark_of(volume), "");
    // Not waiting: a start of the unit that is under way already, at boot, may wait for this very command's
    // lock.
    if (const ProgramResult result = systemctl({"start", "--no-block", unit}); result.status != 0) {
        note("volume " + volume + " is started, but systemd does not know it: " + result.output);
    }
}

void mark_stopped(const std::string& volume)
{
    const std::string unit = volume_unit(volume);
    ::unlink(mark_of(volume).c_str());
    if (!is_installed(unit)) {
        return;
    }
    if (const ProgramResult result = systemctl({"stop", unit}); result.status != 0) {
        note("volume " + volume + " is stopped, but systemd does not know it: " + result.output);
    }
}

bool take_mark(const std::string& volume) { return ::unlink(mark_of(volume).c_str()) == 0; }

} // namespace zumastor
