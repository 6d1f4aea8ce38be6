// SPDX-License-Identifier: GPL-2.0
// zumastor verify: compares a snapshot's content with the other side's.
#include <cinttypes>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/replication/comparison.h"
#include "tools/zumastor/replication/verify_server.h"

namespace zumastor {
namespace {

using Side = VerifyEnd::Side;

struct Verify : ProgressOptions {
    std::string volume;
    std::optional<std::string> host;
    std::optional<std::string> snapshot;
    bool repair = false;
    std::optional<std::string> limit;
    bool session = false;
    std::optional<std::string> as;
};

std::string name_there(const VolumeConfig& config, const std::string& other)
{
    return other.empty() ? config.name : other;
}

Route route_to(const VolumeConfig& config, const Target& target)
{
    Route route{Side::upstream, target.host, name_there(config, target.volume), target.ssh_user, {}};
    route.options = limited({}, target);
    return route;
}

// "VOL HOST SNAP", "VOL HOST", "VOL SNAP", "VOL": a word that is the name of a peer is one.
Route find_route(const VolumeConfig& config, Verify& given)
{
    const auto word = given.host;
    const auto host = word ? HostName::from(*word) : std::nullopt;
    if (host) {
        if (const Target* target = find_target(config, *host)) {
            return route_to(config, *target);
        }
    }
    const bool is_source = config.source && host && config.source->host.is_meant_by(*host);
    if (word && !is_source && given.snapshot) {
        throw Failure(Exit::not_found,
                      "volume " + config.name + " has neither a source nor a target " + *word,
                      "see: zumastor status " + config.name + " --full");
    }
    if (word && !is_source) {
        given.snapshot = *word;
    }
    if (config.source) {
        const SourceRole& source = *config.source;
        Route route{Side::replica, source.host, name_there(config, source.volume), source.ssh_user, {}};
        route.options.bytes_per_second = source.bytes_per_second;
        return route;
    }
    if (config.targets.size() == 1) {
        return route_to(config, config.targets[0]);
    }
    throw Failure(
        Exit::usage,
        "volume " + config.name +
            (config.targets.empty() ? " has neither a source nor a target" : " has several targets"),
        "name one: zumastor verify " + config.name + " HOST [SNAP]");
}

void print_json(const Volume& volume, const Route& route, const Comparison& result, bool repaired)
{
    nlohmann::ordered_json ranges = nlohmann::ordered_json::array();
    for (const ByteRange& range : result.found.listed()) {
        ranges.push_back({{"offset", range.offset}, {"length", range.length}});
    }
    const nlohmann::ordered_json document{
        {"version", 1},
        {"volume", volume.config().name},
        {"peer", route.host.str()},
        {"side", route.mine == Side::upstream ? "upstream" : "replica"},
        {"snapshot", {{"id", result.snapshot.id}, {"uuid", result.snapshot.uuid}}},
        {"bytes", result.bytes},
        {"differing_bytes", result.found.bytes()},
        {"differing_ranges", result.found.ranges()},
        {"ranges", ranges},
        {"repaired", repaired}};
    std::printf("%s\n", document.dump(2).c_str());
}

void print_table(const Comparison& result)
{
    if (result.found.ranges() == 0) {
        return;
    }
    std::printf("%16s %16s\n", "OFFSET", "LENGTH");
    for (const ByteRange& range : result.found.listed()) {
        std::printf("%16" PRIu64 " %16" PRIu64 "\n", range.offset, range.length);
    }
}

std::string in_words(const Comparison& result)
{
    const std::uint64_t ranges = result.found.ranges();
    const bool cut = result.found.listed().size() < ranges;
    return std::to_string(ranges) + (ranges == 1 ? " range, " : " ranges, ") +
           format_size(result.found.bytes()) +
           (cut ? " (the first " + std::to_string(result.found.listed().size()) + " are listed)" : "");
}

Exit serve(Volume& volume, const Verify& given)
{
    const std::string side = given.as.value_or("");
    if (side != "upstream" && side != "replica") {
        throw Failure(Exit::usage, "verify --session: give --as upstream or --as replica");
    }
    serve_verify(volume, side == "upstream" ? Side::upstream : Side::replica, given.repair);
    return Exit::ok;
}

Exit verify(const Verify& asked)
{
    constexpr std::int64_t kMostListed = 1'000'000;
    Verify given = asked; // which of the words is a host is still to be found out
    Volume volume(load_config(given.volume));
    if (given.session) {
        return serve(volume, given);
    }
    const auto limit = need_integer(given.limit.value_or("1000"), "limit", 0, kMostListed);
    const Route route = find_route(volume.config(), given);
    Comparison comparison(volume, route,
                          {given.snapshot, given.repair, static_cast<std::uint64_t>(limit), given});
    comparison.run();
    const bool equal = comparison.found.ranges() == 0;
    const bool repaired = !equal && given.repair;
    if (given.json) {
        print_json(volume, route, comparison, repaired);
    } else {
        print_table(comparison);
    }
    const std::string label = "snapshot " + std::to_string(comparison.snapshot.id) + " of " + volume.what();
    const std::string other = route.mine == Side::upstream ? "the replica on " : "what is upstream on ";
    if (!equal && !repaired) {
        throw Failure(Exit::mismatch,
                      label + " differs from " + other + route.host + ": " + in_words(comparison),
                      "repair the replica: add --repair");
    }
    note(label + (equal ? " is equal to " : " differed from ") + other + route.host +
         (equal ? ": " + format_size(comparison.bytes) + " compared"
                : ": " + in_words(comparison) + ", now repaired and equal"));
    return Exit::ok;
}

constexpr auto kVerifyOptions = option_table<Verify>(
    flag<&Verify::repair>("--repair", "repair the replica: send it what differs"),
    value<&Verify::limit>("--limit", "N", "list at most so many ranges (1000); all are counted"),
    flag<&Verify::session>("--session", "talk to zumastor verify on the other side"),
    value<&Verify::as>("--as", "SIDE", "with --session: upstream or replica"),
    flag<&Verify::quiet>("-q,--quiet", "do not show the progress"),
    flag<&Verify::json>("--json", "for programs: one JSON document; progress on stderr"));

} // namespace

constexpr CommandSpec kVerify = command<verify>(
    "verify", arguments<&Verify::volume, &Verify::host, &Verify::snapshot>("VOL [HOST] [SNAP]"),
    "Compare a snapshot with the same one on the other side; repair the replica.", kVerifyOptions,
    Page{"Both sides hash the same snapshot and compare the hashes. Differences are "
         "listed; the exit status is 9 then. With --repair the replica gets what "
         "differs; nothing is ever written upstream. Without SNAP the newest snapshot "
         "that both have is compared.",
         "$ zumastor verify data\n"
         "$ zumastor verify data replica hourly.0 --repair"});

} // namespace zumastor
