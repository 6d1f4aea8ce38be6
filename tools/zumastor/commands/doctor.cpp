// SPDX-License-Identifier: GPL-2.0
// zumastor doctor: what is wrong, and what to do.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/doctor/doctor.h"

namespace zumastor {
namespace {

struct Doctor {
    std::optional<std::string> volume;
    bool json = false;
};

using nlohmann::ordered_json;

constexpr int kDoctorVersion = 1;

const char* name_of(Verdict verdict)
{
    switch (verdict) {
    case Verdict::good:
        return "ok";
    case Verdict::warning:
        return "warning";
    case Verdict::fault:
        return "fault";
    }
    return "";
}

// To or from another host. A configuration that cannot be read is the volume's own fault.
bool wants_ssh(const std::string& name)
{
    try {
        const VolumeConfig config = load_config(name);
        return (config.source && !config.source->host.is_this_host()) ||
               std::any_of(config.targets.begin(), config.targets.end(),
                           [](const Target& target) { return !target.host.is_this_host(); });
    } catch (const Failure&) {
        return false;
    }
}

void print(const Findings& findings)
{
    std::vector<std::vector<std::string>> rows;
    for (const Finding& finding : findings) {
        rows.push_back({name_of(finding.verdict), finding.subject, finding.what});
        if (!finding.next.empty()) {
            rows.push_back({"", "", "→ " + finding.next});
        }
    }
    std::fputs(format_table(rows).c_str(), stdout);
}

void print_json(const Findings& findings)
{
    ordered_json list = ordered_json::array();
    for (const Finding& finding : findings) {
        list.push_back({{"verdict", name_of(finding.verdict)},
                        {"subject", finding.subject},
                        {"what", finding.what},
                        {"next", finding.next.empty() ? ordered_json() : ordered_json(finding.next)}});
    }
    const ordered_json document{{"version", kDoctorVersion}, {"findings", list}};
    std::puts(document.dump(2, ' ', false, ordered_json::error_handler_t::replace).c_str());
}

// The first fault's; else whether there is anything to look at.
Exit code_of(const Findings& findings)
{
    Exit code = Exit::ok;
    for (const Finding& finding : findings) {
        if (finding.verdict == Verdict::fault) {
            return finding.code;
        }
        if (finding.verdict == Verdict::warning) {
            code = Exit::partly;
        }
    }
    return code;
}

Exit doctor(const Doctor& given)
{
    std::vector<std::string> names = list_volumes();
    if (given.volume) {
        names = {load_config(*given.volume).name};
    }
    Findings findings = examine_host(std::any_of(names.begin(), names.end(), wants_ssh));
    for (const std::string& name : names) {
        const Findings more = examine_volume(name);
        findings.insert(findings.end(), more.begin(), more.end());
    }
    if (given.json) {
        print_json(findings);
    } else {
        print(findings);
    }
    return code_of(findings);
}

constexpr auto kDoctorOptions =
    option_table<Doctor>(flag<&Doctor::json>("--json", "for programs: one JSON document"));

} // namespace

constexpr CommandSpec kDoctor =
    command<doctor>("doctor", arguments<&Doctor::volume>("[VOL]"),
                    "Find out what is wrong with this host or a volume, and say what to do.", kDoctorOptions,
                    Page{"Examines the kernel module, systemd, /etc/fstab, devices, stores, snapshots "
                         "and replication. The doctor only reads. The exit status is that of the first "
                         "fault, or 3 if there are only warnings.",
                         "$ zumastor doctor\n"
                         "$ zumastor doctor data --json"});

} // namespace zumastor
