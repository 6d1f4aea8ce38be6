// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/doctor/units.h"

#include "tools/common/text.h"
#include "tools/zumastor/systemd/systemd.h"

namespace zumastor {
UnitFacts parse_unit(const std::string& unit, const std::string& shown)
{
    UnitFacts facts;
    facts.unit = unit;
    for (const std::string& line : split(shown, '\n')) {
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos) {
            continue;
        }
        const std::string name = line.substr(0, equals);
        const std::string value = line.substr(equals + 1);
        if (name == "LoadState") {
            facts.load = value;
        } else if (name == "ActiveState") {
            facts.active = value;
        } else if (name == "Result") {
            facts.result = value;
        } else if (name == "StatusText") {
            facts.status = value;
        }
    }
    return facts;
}

UnitFacts read_unit(const std::string& unit)
{
    return parse_unit(unit,
                      systemctl({"show", "--property=LoadState,ActiveState,Result,StatusText", unit}).output);
}

std::optional<Finding> check_unit(const UnitFacts& facts, const std::string& subject,
                                  const std::string& start)
{
    const std::string unit = quote_word(facts.unit);
    if (facts.load == "masked") {
        return Finding{Verdict::warning, subject,
                       facts.unit + " is masked: systemd never starts it, not even at boot",
                       "systemctl unmask " + unit};
    }
    if (facts.load == "not-found") {
        return Finding{Verdict::warning, subject,
                       facts.unit + " is not installed: the volume does not come up at boot",
                       "apt install zumastor"};
    }
    if (facts.active != "failed") {
        return std::nullopt;
    }
    return Finding{
        Verdict::fault, subject,
        facts.unit + " has failed (" + facts.result + ")" + (facts.status.empty() ? "" : ": " + facts.status),
        "see why: journalctl --unit=" + unit + "; then: systemctl reset-failed " + unit + "; " + start};
}

std::optional<Finding> check_timer(const UnitFacts& facts, const std::string& subject)
{
    if (facts.active == "active") {
        return std::nullopt;
    }
    const std::string unit = quote_word(facts.unit);
    return Finding{Verdict::fault, subject, facts.unit + " is not active: its scheduled work is not done",
                   "systemctl daemon-reload; systemctl start " + unit};
}

Finding examine_generator(const std::string& root)
{
    if (has_generator(root)) {
        return {Verdict::good, "systemd", "has zumastor-generator"};
    }
    return {Verdict::warning, "systemd",
            "has no zumastor-generator: no volume starts at boot, no volume has timers, "
            "and origins are not protected before their volumes start",
            kInstallGenerator};
}

} // namespace zumastor
