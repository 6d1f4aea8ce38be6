// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/systemd/units.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "tools/common/text.h"
#include "tools/zumastor/config/names.h"

namespace zumastor {
namespace {

constexpr std::string_view kUnitMarks = ":_.";
constexpr std::uint64_t kDayMinutes = 1440;
constexpr std::size_t kMaxUnit = 255;
constexpr const char* kGenerated = "# Made by zumastor-generator.\n[Unit]\n";

std::string timer_text(const VolumeConfig& config, const std::string& description, const std::string& when)
{
    return std::string(kGenerated) + "Description=" + description +
           "\nSourcePath=" + Paths(config.name).config + "\n\n[Timer]\n" + when;
}

// Descriptions go through systemd's specifiers.
std::string plain(std::string text)
{
    for (std::size_t at = 0; (at = text.find('%', at)) != std::string::npos; at += 2) {
        text.insert(at, 1, '%');
    }
    return text;
}

// A period counts from start to start. When a cycle takes longer than that, the next follows at its end:
// systemd starts no unit twice. The first begins at once, after a boot as well: so none is missed.
std::string period_text(std::uint64_t seconds)
{
    const std::uint64_t accuracy = std::clamp<std::uint64_t>(seconds / 60, 1, 60);
    return "OnActiveSec=1s\nOnUnitActiveSec=" + std::to_string(seconds) +
           "s\nAccuracySec=" + std::to_string(accuracy) + "s\n";
}

// The nearest that cron can do: it knows minutes, and no interval that divides neither hour nor day.
std::string period_cron(std::uint64_t seconds)
{
    const std::uint64_t minutes = std::max<std::uint64_t>(1, seconds / 60);
    if (minutes < 60) {
        return "*/" + std::to_string(minutes) + " * * * *";
    }
    if (minutes < kDayMinutes) {
        return "0 */" + std::to_string(minutes / 60) + " * * *";
    }
    return "0 0 */" + std::to_string(std::min<std::uint64_t>(31, minutes / kDayMinutes)) + " * *";
}

Timer cycle_timer(const VolumeConfig& config, const HostName& host, std::uint64_t period,
                  const std::string& description)
{
    return {replicate_unit(config.name, host, "timer"),
            timer_text(config, plain(description), period_text(period)),
            period_cron(period) + " root /usr/sbin/zumastor replicate " + config.name +
                (host.empty() ? "" : " " + host) + " --quiet"};
}

Timer kind_timer(const VolumeConfig& config, const std::string& kind)
{
    return {snapshot_unit(config.name, kind, "timer"),
            timer_text(config, "Zumastor: " + kind + " snapshots of volume " + config.name,
                       "OnCalendar=" + kind + "\nPersistent=true\n"),
            "@" + kind + " root /usr/sbin/zumastor snapshot " + config.name + " " + kind + " >/dev/null"};
}

} // namespace

Instance Instance::parse(const std::string& word)
{
    const std::size_t slash = word.find('/');
    return slash == std::string::npos ? Instance{word, {}}
                                      : Instance{word.substr(0, slash), word.substr(slash + 1)};
}

std::string escape_unit(const std::string& word)
{
    std::string escaped;
    for (const char c : word) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '/') {
            escaped += '-';
        } else if (letter ||
                   (kUnitMarks.find(c) != std::string_view::npos && !(c == '.' && escaped.empty()))) {
            escaped += c;
        } else {
            char code[5];
            (void)std::snprintf(code, sizeof code, "\\x%02x",
                                static_cast<unsigned>(static_cast<unsigned char>(c)));
            escaped += code;
        }
    }
    return escaped;
}

std::string replicate_unit(const std::string& volume, const HostName& host, const std::string& suffix)
{
    return "zumastor-replicate@" + escape_unit(Instance{volume, host}.word()) + "." + suffix;
}

std::string snapshot_unit(const std::string& volume, const std::string& kind, const std::string& suffix)
{
    return "zumastor-snapshot@" + escape_unit(Instance{volume, kind}.word()) + "." + suffix;
}

std::string daemon_unit(const std::string& volume) { return "ddsnapd@" + escape_unit(volume) + ".service"; }

std::string volume_unit(const std::string& volume) { return "zumastor@" + escape_unit(volume) + ".service"; }

bool fits_units(const std::string& volume, const HostName& host)
{
    return replicate_unit(volume, host, "service").size() <= kMaxUnit &&
           std::all_of(kBuiltinKinds.begin(), kBuiltinKinds.end(), [&](const std::string& kind) {
               return snapshot_unit(volume, kind, "service").size() <= kMaxUnit; // the longest of them
           });
}

std::string device_unit(const std::string& path) { return escape_unit(path.substr(1)) + ".device"; }

std::vector<std::string> devices_of(const VolumeConfig& config)
{
    std::vector<std::string> units;
    for (const std::string* path : {&config.origin, &config.store, &config.meta}) {
        if (path->starts_with("/dev/")) {
            units.push_back(device_unit(*path));
        }
    }
    return units;
}

std::string volume_drop_in(const VolumeConfig& config)
{
    const std::string devices = join(devices_of(config), " ");
    return devices.empty() ? ""
                           : std::string(kGenerated) + "Requires=" + devices + "\nAfter=" + devices + "\n";
}

std::string timed_drop_in(const VolumeConfig& config)
{
    return std::string(kGenerated) + "After=" + volume_unit(config.name) + "\n";
}

std::string Timer::service() const { return unit.substr(0, unit.rfind('.')) + ".service"; }

std::vector<Timer> timers_of(const VolumeConfig& config)
{
    std::vector<Timer> timers;
    if (config.source && config.source->period > 0 && !config.source->stopped) {
        timers.push_back(
            cycle_timer(config, {}, config.source->period,
                        "Zumastor: replication of volume " + config.name + " from " + config.source->host));
    }
    for (const Target& target : config.targets) {
        if (target.period > 0 && !target.stopped) {
            timers.push_back(
                cycle_timer(config, target.host, target.period,
                            "Zumastor: replication of volume " + config.name + " to " + target.host));
        }
    }
    for (const Kind& kind : config.schedule) {
        if (std::find(kBuiltinKinds.begin(), kBuiltinKinds.end(), kind.name) != kBuiltinKinds.end()) {
            timers.push_back(kind_timer(config, kind.name));
        }
    }
    return timers;
}

const Timer* find_timer(const std::vector<Timer>& timers, const std::string& unit)
{
    const auto found =
        std::find_if(timers.begin(), timers.end(), [&](const Timer& timer) { return timer.unit == unit; });
    return found == timers.end() ? nullptr : &*found;
}

} // namespace zumastor
