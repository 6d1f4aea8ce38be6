// SPDX-License-Identifier: GPL-2.0
// zumastor service: what the units of volumes run (units/).
//
// At boot zumastor@VOL.service starts a volume as its configuration says. At shutdown nobody stops that unit:
// ordinary services end, systemd unmounts, in its order, what is mounted on the volume wherever that is, and
// then zumastor-shutdown.service removes the devices and ends the daemons, as nothing rests on them any more.
#include <cstdio>
#include <cstdlib>

#include "tools/common/process.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/in_one_line.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/stop.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

struct Service {
    std::string volume;
};
struct AllVolumes {};

constexpr std::chrono::seconds kNotifyLimit{5};

// No lock: a command that stops the volume has it while it waits for the unit.
bool is_at_work(const Volume& volume)
{
    return mapper::find(volume.paths().origin_name).has_value() || volume.try_daemon().has_value();
}

// For `systemctl status`. A program and not libsystemd: it would be loaded with all its dependencies by every
// command.
void tell_systemd(const std::string& why)
{
    if (std::getenv("NOTIFY_SOCKET") != nullptr) {
        (void)run_program({"systemd-notify", "--status=" + why}, kNotifyLimit); // the journal has it, too
    }
}

Exit run_daemon(const std::string& name)
{
    try {
        Volume(load_config(name)).become_daemon();
    } catch (const Failure& failure) {
        tell_systemd(failure.what());
        throw;
    }
}

void start_in_role(const std::string& name, Troubles& troubles)
{
    LockedVolume locked = lock_volume(name);
    Volume& volume = locked.volume;
    take_mark(volume.config().name); // whoever left it: now there is something to do
    const std::string uuid = volume.config().uuid;
    volume.start_devices();
    if (volume.config().uuid != uuid) {
        attempt(troubles, "the volume's UUID is not saved", [&] { save_config(volume.config()); });
    }
    if (volume.config().master && !mount_all(volume, troubles)) {
        note(volume.paths().origin_device + " holds no filesystem to mount");
    }
    attempt(troubles, "the volume's timers are not started", [&] { wake_timers(volume.config()); });
}

Exit start(const std::string& name)
{
    if (take_mark(name)) {
        return Exit::ok;
    }
    Troubles troubles;
    start_in_role(name, troubles);
    Volume volume(load_config(name));
    if (volume.config().source && !volume.config().source->stopped) {
        show_received(volume, troubles);
    }
    return conclude(troubles);
}

Exit stop(const std::string& name)
{
    take_mark(name);
    if (!config_exists(name) || !is_at_work(Volume(load_config(name)))) {
        return Exit::ok;
    }
    LockedVolume locked = lock_volume(name);
    stop_completely(locked.volume);
    return Exit::ok;
}

// What cannot be taken down stays as it is, with its daemon: systemd unmounts it as the last thing it does.
void take_down(const std::string& name)
{
    if (!is_at_work(Volume(load_config(name)))) {
        return;
    }
    LockedVolume locked = lock_volume(name);
    revive_for_unmount(locked.volume);
    unmount_all(locked.volume);
    locked.volume.stop_devices();
}

Exit service_daemon(const Service& given)
{
    return in_one_line("ddsnapd", [&] { return run_daemon(given.volume); });
}

Exit service_start(const Service& given)
{
    return in_one_line("volume " + given.volume, [&] { return start(given.volume); });
}

Exit service_stop(const Service& given)
{
    return in_one_line("volume " + given.volume, [&] { return stop(given.volume); });
}

Exit service_shutdown(const AllVolumes& /*given*/)
{
    Exit result = Exit::ok;
    for (const std::string& name : list_volumes()) {
        try {
            take_down(name);
        } catch (const Failure& failure) {
            report(failure.what(), failure.next());
            result = Exit::partly;
        }
    }
    return result;
}

} // namespace

constexpr CommandSpec kServiceDaemon = command<service_daemon>(
    "service daemon", arguments<&Service::volume>("VOL"), "What ddsnapd@.service runs.",
    Page{"For ddsnapd@.service. Use systemctl or zumastor start and stop instead. A "
         "failure is one line in the journal.",
         "$ zumastor service daemon data"});
constexpr CommandSpec kServiceStart = command<service_start>(
    "service start", arguments<&Service::volume>("VOL"), "What zumastor@.service runs to start a volume.",
    Page{"For zumastor@.service. Use systemctl or zumastor start and stop instead. A "
         "failure is one line in the journal.",
         "$ zumastor service start data"});
constexpr CommandSpec kServiceStop = command<service_stop>(
    "service stop", arguments<&Service::volume>("VOL"), "What zumastor@.service runs to stop a volume.",
    Page{"For zumastor@.service. Use systemctl or zumastor start and stop instead. A "
         "failure is one line in the journal.",
         "$ zumastor service stop data"});
constexpr CommandSpec kServiceShutdown =
    command<service_shutdown>("service shutdown", arguments<>(""), "What zumastor-shutdown.service runs.",
                              Page{"For zumastor-shutdown.service. Use systemctl or zumastor start and stop "
                                   "instead. A failure is one line in the journal.",
                                   "$ zumastor service shutdown"});

} // namespace zumastor
