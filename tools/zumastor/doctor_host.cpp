// SPDX-License-Identifier: GPL-2.0
// The kernel and its module, the programs, the clock.
#include <sys/timex.h>
#include <sys/utsname.h>

#include <filesystem>

#include "tools/common/process.h"
#include "tools/zumastor/doctor.h"
#include "tools/zumastor/mapper.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModule = "dm-ddsnap";
constexpr std::chrono::seconds kProgramLimit{30};

std::string kernel_release()
{
    utsname system{};
    ::uname(&system);
    return system.release;
}

// UEFI's variable of that name: four bytes of attributes, then the value.
bool secure_boot()
{
    const std::string value =
        read_text("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    return value.size() == 5 && value[4] == 1;
}

// Of the module as modprobe would load it; empty if there is none, or it has no such field.
std::string module_field(const char* field)
{
    const ProgramResult result = run_program({"modinfo", "-F", field, kModule}, kProgramLimit);
    return result.status == 0 ? result.output : "";
}

Finding missing_module(const std::string& release)
{
    const std::string subject = "module";
    const std::string what = std::string(kModule) + " is not there for the running kernel, " + release;
    if (!fs::exists("/lib/modules/" + release + "/build/Makefile")) {
        return {Verdict::fault, subject, what + ", nor are its headers, to build it",
                "apt install ddsnap-dkms linux-headers-" + release +
                    "; if there are none of it any more, reboot with the newest kernel",
                Exit::missing};
    }
    return {Verdict::fault, subject, what,
            "apt install ddsnap-dkms; if it is installed: dkms status ddsnap, and the newest "
            "/var/lib/dkms/ddsnap/*/build/make.log",
            Exit::missing};
}

Finding examine_module()
{
    const std::string release = kernel_release();
    if (mapper::has_target()) {
        return {Verdict::good, "module", std::string(kModule) + " is loaded"};
    }
    const std::string file = module_field("filename");
    if (file.empty()) {
        return missing_module(release);
    }
    const std::string signer = module_field("signer");
    if (secure_boot() && signer.empty()) {
        return {Verdict::fault, "module",
                file + " is not signed, and Secure Boot is on: the kernel will not load it",
                "let DKMS sign it: mokutil --import /var/lib/dkms/mok.pub, reboot, confirm the key at the "
                "console, then: dkms install --force ddsnap",
                Exit::missing};
    }
    if (secure_boot()) {
        return {Verdict::warning, "module",
                file + " is not loaded; Secure Boot is on, and it is signed by " + signer,
                "try: modprobe dm-ddsnap; if its key is rejected: mokutil --import /var/lib/dkms/mok.pub"};
    }
    return {Verdict::good, "module", file + " is loaded when the first volume starts"};
}

Finding examine_mapper()
{
    if (!fs::exists("/dev/mapper/control")) {
        return {Verdict::fault, "device-mapper", "/dev/mapper/control is not there", "modprobe dm-mod",
                Exit::missing};
    }
    return {Verdict::good, "device-mapper", "is there"};
}

Finding examine_udev()
{
    if (!fs::exists("/run/udev/control")) {
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
    return {Verdict::fault, "ssh", "cannot be run, and volumes are replicated through it",
            "apt install openssh-client", Exit::missing};
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

Findings examine_host(bool replicates)
{
    Findings findings{examine_mapper(), examine_module(), examine_udev(), examine_daemon(), examine_clock()};
    if (replicates) {
        findings.push_back(examine_ssh());
    }
    return findings;
}

} // namespace zumastor
