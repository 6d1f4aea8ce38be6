// SPDX-License-Identifier: GPL-2.0
// The device-mapper and its module, the programs, the clock.
#include <sys/timex.h>
#include <sys/utsname.h>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/doctor/doctor.h"
#include "tools/zumastor/doctor/module.h"
#include "tools/zumastor/doctor/units.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/systemd/systemd.h"

namespace zumastor {
namespace {

constexpr std::chrono::seconds kProgramLimit{30};

std::string kernel_release()
{
    utsname system{};
    ::uname(&system);
    return system.release;
}

// Of the module as modprobe would load it; empty if there is none, or it has no such field.
std::string module_field(const char* field)
{
    const ProgramResult result = run_program({"modinfo", "-F", field, kModule}, kProgramLimit);
    return result.status == 0 ? result.output : "";
}

Finding unknown(const std::string& subject, const Failure& why)
{
    return {Verdict::warning, subject, std::string("cannot be examined: ") + why.what(), why.next(),
            Exit::partly};
}

Finding examine_module()
{
    const auto target = mapper::ask_target();
    if (target.is_unknown()) {
        return unknown("kernel module", target.why());
    }
    ModuleFacts module;
    module.release = kernel_release();
    module.loaded = target.is_there();
    if (!module.loaded) {
        module.headers = has_headers("/", module.release);
        module.file = module_field("filename");
        module.signer = module_field("signer");
    }
    return check_module(module, read_signing_rules("/", module.signer));
}

Finding examine_mapper()
{
    const auto control = look_at("/dev/mapper/control");
    if (control.is_unknown()) {
        return unknown("device-mapper", control.why());
    }
    if (!control.is_there()) {
        return {Verdict::fault, "device-mapper", "/dev/mapper/control is not there", "modprobe dm-mod",
                Exit::missing};
    }
    return {Verdict::good, "device-mapper", "is there"};
}

Finding examine_udev()
{
    const auto control = look_at("/run/udev/control");
    if (control.is_unknown()) {
        return unknown("udev", control.why());
    }
    if (!control.is_there()) {
        return {Verdict::warning, "udev", "is not running: links to new devices are not made",
                "systemctl start systemd-udevd"};
    }
    return {Verdict::good, "udev", "is running"};
}

Finding examine_daemon()
{
    try {
        return {Verdict::good, "daemon", find_daemon()};
    } catch (const Failure& failure) {
        return {Verdict::fault, "daemon", failure.what(), failure.next(), failure.code()};
    }
}

Finding examine_ssh()
{
    try {
        if (run_program({"ssh", "-V"}, kProgramLimit).status == 0) {
            return {Verdict::good, "ssh", "is there"};
        }
    } catch (const Failure&) { // it cannot be executed
    }
    return {Verdict::fault, "ssh", "cannot be run, and replication needs ssh", "apt install openssh-client",
            Exit::missing};
}

// Snapshots are named by the time, and replicas rotate them by it.
Finding examine_clock()
{
    timex state{};
    if (::adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
        return {Verdict::warning, "clock", "is not synchronised: snapshots may get a wrong time",
                "timedatectl set-ntp true"};
    }
    return {Verdict::good, "clock", "is synchronised"};
}

} // namespace

Findings examine_host(bool wants_ssh)
{
    Findings findings{examine_mapper(), examine_module(), examine_udev(), examine_daemon(), examine_clock()};
    if (systemd_runs()) {
        findings.push_back(examine_generator("/"));
    }
    if (wants_ssh) {
        findings.push_back(examine_ssh());
    }
    return findings;
}

} // namespace zumastor
