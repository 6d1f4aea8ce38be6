// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/commands/options.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/replication/peer.h"

namespace zumastor {
namespace {

Kind parse_custom(const std::string& text, std::int64_t most)
{
    const std::size_t comma = text.find(',');
    if (comma == std::string::npos) {
        throw Failure(Exit::usage, "--custom " + text + ": give a name and a number: NAME,N");
    }
    const std::string name = text.substr(0, comma);
    check_kind_name(name);
    if (is_kept_kind(name)) {
        throw Failure(Exit::usage,
                      "--custom " + text + ": snapshots of this kind are held until they are released",
                      "choose another name");
    }
    if (std::find(kBuiltinKinds.begin(), kBuiltinKinds.end(), name) != kBuiltinKinds.end()) {
        throw Failure(Exit::usage, "--custom " + text + ": this kind has its own option: --" + name);
    }
    return {name, static_cast<std::uint64_t>(need_integer(text.substr(comma + 1), name, 0, most))};
}

LoginName ssh_user_from(const PeerOptions& given, const HostName& host)
{
    const auto text = given.ssh_user;
    LoginName user = text ? LoginName::need(*text, "--ssh-user") : LoginName{};
    check_ssh_user(host, user);
    return user;
}

} // namespace

void apply(const FillOptions& given, VolumeConfig& config)
{
    config.warn_at = need_marks(given.warn_at.value_or(""));
    config.snapshot_first = given.snapshot_first;
}

void read_schedule(const KindOptions& given, std::vector<Kind>& schedule)
{
    constexpr std::int64_t kMostAsked = 60000; // below the number of snapshots that a store can have
    const std::array counts{&given.hourly, &given.daily, &given.weekly, &given.monthly};
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (const std::optional<std::string>& count = *counts[i]) {
            const std::string& kind = kBuiltinKinds.at(i);
            set_kind(schedule, kind, static_cast<std::uint64_t>(need_integer(*count, kind, 0, kMostAsked)));
        }
    }
    for (const std::string& text : given.custom) {
        const Kind kind = parse_custom(text, kMostAsked);
        set_kind(schedule, kind.name, kind.keep);
    }
}

SourceRole source_from(const std::string& host, const PeerOptions& given)
{
    SourceRole source;
    source.host = HostName::need(host, "source");
    if (given.name && !given.name->empty()) {
        source.volume = VolumeName::need(*given.name);
    }
    source.ssh_user = ssh_user_from(given, source.host);
    return source;
}

Target target_from(const std::string& host, const PeerOptions& given)
{
    Target target;
    target.host = HostName::need(host, "target");
    if (given.name && !given.name->empty()) {
        target.volume = VolumeName::need(*given.name);
    }
    target.ssh_user = ssh_user_from(given, target.host);
    return target;
}

std::optional<HostName> host_from(const std::optional<std::string>& text)
{
    return text ? std::optional(HostName::need(*text, "HOST")) : std::nullopt;
}

std::uint64_t period_from(const CycleTimes& given)
{
    const auto& text = given.period;
    return text ? static_cast<std::uint64_t>(
                      need_integer(*text, "period", 0, static_cast<std::int64_t>(kLongestPeriod)))
                : 0;
}

std::uint64_t rate_from(const CycleTimes& given)
{
    const auto& text = given.rate_limit;
    const std::uint64_t rate = text ? need_size(*text, "rate limit") : 0;
    if (rate > kHighestRate) { // and the number in VOL.toml is a signed one
        throw Failure(Exit::usage, "rate limit: " + *text + " bytes a second is too much",
                      "give at most 1024T");
    }
    return rate;
}

void tell_period(const std::string& name, const std::string& role, std::uint64_t period, bool stopped)
{
    if (period > 0) {
        std::printf("a cycle every %llu s%s\n", static_cast<unsigned long long>(period),
                    stopped ? (", but its timer is stopped: zumastor start " + role + " " + name).c_str()
                            : "");
    }
}

} // namespace zumastor
