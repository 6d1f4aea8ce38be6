// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/config/troubles.h"

#include <cstdio>
#include <vector>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/raw_origin.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
namespace {

std::vector<std::string> units_of(const std::vector<Timer>& timers, const char* verb)
{
    std::vector<std::string> words{verb};
    for (const Timer& timer : timers) {
        words.push_back(timer.unit);
    }
    return words;
}

Failure not_done(const std::string& volume, const ProgramResult& result)
{
    return Failure(Exit::partly,
                   "volume " + volume +
                       ": the settings are saved, but the timers do not run: systemd says: " + result.output,
                   (has_generator("/") ? "systemctl daemon-reload" : kInstallGenerator) +
                       "; then see which timers to start: zumastor doctor");
}

void explain_cron(const std::vector<Timer>& fresh)
{
    if (fresh.empty()) {
        return;
    }
    note("no timer runs: systemd is not the init here. To run the work from cron, put "
         "into /etc/cron.d/zumastor:");
    for (const Timer& timer : fresh) {
        (void)std::fprintf(stderr, "  %s\n", timer.cron.c_str());
    }
}

void for_all(const VolumeConfig& config, const char* verb)
{
    const std::vector<Timer> timers = timers_of(config);
    if (timers.empty() || !systemd_runs()) {
        return;
    }
    if (const ProgramResult result = systemctl(units_of(timers, verb)); result.status != 0) {
        note("volume " + config.name + ": its timers: " + result.output);
    }
}

} // namespace

void follow_config(const VolumeConfig& before, const VolumeConfig& now)
{
    const std::vector<Timer> old = timers_of(before);
    const std::vector<Timer> wanted = timers_of(now);
    std::vector<Timer> fresh;
    std::vector<Timer> gone;
    for (const Timer& timer : wanted) {
        if (const Timer* same = find_timer(old, timer.unit); same == nullptr || *same != timer) {
            fresh.push_back(timer);
        }
    }
    for (const Timer& timer : old) {
        if (find_timer(wanted, timer.unit) == nullptr) {
            gone.push_back(timer);
        }
    }
    if (fresh.empty() && gone.empty() && volume_drop_in(before) == volume_drop_in(now)) {
        return;
    }
    if (!systemd_runs()) {
        explain_cron(fresh);
        return;
    }
    std::vector<std::vector<std::string>> steps{{"daemon-reload"}};
    if (!gone.empty()) {
        steps.insert(steps.begin(), units_of(gone, "stop"));
    }
    if (!fresh.empty()) {
        steps.push_back(units_of(fresh, "restart"));
    }
    for (const auto& step : steps) {
        if (const ProgramResult result = systemctl(step); result.status != 0) {
            throw not_done(before.name, result);
        }
    }
    if (origin_rule(before) != origin_rule(now)) {
        refresh_raw_origin(before);
        refresh_raw_origin(now);
    }
}

void save_and_follow(const VolumeConfig& before, const VolumeConfig& now, Troubles& troubles)
{
    save_config(now);
    try {
        follow_config(before, now);
    } catch (const Failure& failure) {
        if (failure.code() != Exit::partly) {
            throw;
        }
        troubles.push_back(failure.what() + ("; " + failure.next()));
    }
}

void rest_timers(const VolumeConfig& config) { for_all(config, "stop"); }
void wake_timers(const VolumeConfig& config) { for_all(config, "start"); }

bool begin_cycle_unit(const std::string& volume, const HostName& host)
{
    return systemd_runs() &&
           systemctl({"start", "--no-block", replicate_unit(volume, host, "service")}).status == 0;
}

void end_cycle_unit(const std::string& volume, const HostName& host)
{
    if (!systemd_runs()) {
        return;
    }
    const std::string unit = replicate_unit(volume, host, "service");
    if (systemctl({"is-active", "--quiet", unit}).status == 0 ||
        systemctl({"show", "--property=ActiveState", "--value", unit}).output == "activating") {
        const ProgramResult result = systemctl({"stop", unit});
        if (result.status != 0) {
            throw Failure(Exit::failed, unit + " cannot be stopped: " + result.output,
                          "see: systemctl status " + quote_word(unit));
        }
    }
}

} // namespace zumastor
