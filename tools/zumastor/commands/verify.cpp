// SPDX-License-Identifier: GPL-2.0
// zumastor verify: both ends hash the same snapshot in ranges and compare; what differs is narrowed to
// chunks, listed, and with --repair sent to the replica again. Nothing is ever written upstream.
//
//   session 1: open ── hash all ranges ── chunks of those that differ ── repair some of them
//   session 2: open ── are these equal now? ── chunks of the next ranges ── repair … until none is left
#include <algorithm>
#include <bit>
#include <cinttypes>
#include <csignal>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/replication/differences.h"
#include "tools/zumastor/replication/peer.h"
#include "tools/zumastor/replication/progress.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/verify_end.h"

namespace zumastor {
namespace {

using Side = VerifyEnd::Side;
using Runs = std::vector<stream::ChunkRun>;

constexpr std::size_t kRepairRuns = 65536; // in one session: bounds memory, and the line that names them

struct VerifyPipes { // to the other side
    int from = -1;
    int to = -1;
};

// ---- the told one ----

VerifyAnswer refusal_of(const Failure& failure)
{
    return {0, failure.what(), failure.next(), failure.code()};
}

void answer_hashes(VerifyEnd& end, const VerifyRequest& request, VerifyPipes pipes)
{
    const std::uint64_t unit = request.what == "hash" ? kVerifyUnit : end.chunk_bytes();
    end.hash({request.bytes, unit}, request.first, request.count,
             [&](std::uint64_t, const stream::RangeHash& hash) { write_line(pipes.to, format_hash(hash)); });
}

// True if the session goes on.
bool obey(VerifyEnd& end, const VerifyRequest& request, bool may_repair, VerifyPipes pipes)
{
    if (request.what == "hash" || request.what == "chunks") {
        answer_hashes(end, request, pipes);
        return true;
    }
    if (request.what == "send" && may_repair && end.side() == Side::upstream) {
        stream::SendOptions options;
        options.bytes_per_second = request.bytes_per_second;
        end.send(request.runs, options, pipes.to);
        return false;
    }
    VerifyAnswer answer;
    try {
        if (request.what == "open") {
            answer.bytes = end.open(request.snapshot);
        } else if (request.what == "take" && may_repair && end.side() == Side::replica) {
            end.take(pipes.from);
        } else {
            throw Failure(Exit::usage, "the other side asked for '" + request.what + "', which it may not");
        }
    } catch (const Failure& failure) {
        write_line(pipes.to, format(refusal_of(failure)));
        throw;
    } catch (const stream::TransferError& error) {
        write_line(pipes.to, format(refusal_of(Failure(Exit::failed, error.what()))));
        throw;
    }
    write_line(pipes.to, format(answer));
    return request.what == "open";
}

Exit serve_verify(Volume& volume, const Args& args)
{
    const std::string side = args.get("--as").value_or("");
    if (side != "upstream" && side != "replica") {
        throw Failure(Exit::usage, "verify --session: give --as upstream or --as replica");
    }
    const VerifyPipes pipes{0, 1};
    (void)std::signal(SIGPIPE, SIG_IGN); // a peer that has gone is an error with a text
    VerifyEnd end(volume, side == "upstream" ? Side::upstream : Side::replica);
    try {
        write_line(pipes.to, format(end.hello()));
        for (bool more = true; more;) {
            const VerifyRequest request = parse_verify_request(read_line(pipes.from));
            more = request.what != "end" && obey(end, request, args.has("--repair"), pipes);
        }
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what());
    }
    return Exit::ok;
}

// ---- the teller ----

struct Route {
    Side mine = Side::upstream;
    HostName host;
    std::string volume;          // its name there
    LoginName ssh_user;          // as whom ssh runs
    stream::SendOptions options; // of what repairs the replica, as for a cycle between these two
};

class Comparison {
public:
    Comparison(Volume& volume, Route route, const Args& args, std::uint64_t limit)
        : volume_(volume), route_(std::move(route)), args_(args), found(limit)
    {}

    void run()
    {
        while (session()) {
        }
    }

private:
    bool session();
    bool talk(VerifyPipes pipes);
    UuidText choose(const VerifyHello& hello) const;
    void open(VerifyEnd& mine, const VerifyHello& hello, VerifyPipes pipes);
    void compare_ranges(VerifyEnd& mine, VerifyPipes pipes);
    template <class Visit>
    void compare_chunks(VerifyEnd& mine, VerifyPipes pipes, const stream::ChunkRun& units,
                        const Visit& visit);
    void compare_again(VerifyEnd& mine, VerifyPipes pipes);
    Runs next_differing(VerifyEnd& mine, VerifyPipes pipes);
    void mend(VerifyEnd& mine, const Runs& runs, VerifyPipes pipes);
    void need_answer(VerifyPipes pipes) const;

    Volume& volume_;
    Route route_;
    const Args& args_;
    UuidText wanted_; // UUID, once it has been chosen
    bool compared_ = false;
    bool settled_ = false;
    Runs pending_; // ranges that differ and have not been narrowed yet
    Runs repaired_;

public:
    SnapshotEntry snapshot;
    std::uint64_t chunk_bytes = 0;
    std::uint64_t bytes = 0; // compared
    Differences found;
};

void Comparison::need_answer(VerifyPipes pipes) const
{
    const VerifyAnswer answer = parse_verify_answer(read_line(pipes.from));
    if (!answer.error.empty()) {
        throw Failure(answer.code, route_.host + ": " + answer.error, answer.next);
    }
}

// The snapshot that was asked for, or the newest that both have.
UuidText Comparison::choose(const VerifyHello& hello) const
{
    const auto theirs = [&](const std::string& uuid) {
        return std::find(hello.snapshots.begin(), hello.snapshots.end(), uuid) != hello.snapshots.end();
    };
    Daemon daemon = volume_.daemon();
    const std::vector<SnapshotEntry> list = daemon.list();
    if (const auto asked = args_.get("SNAP")) {
        const SnapshotEntry& snapshot_asked = find_snapshot(list, volume_.config(), *asked);
        if (!theirs(snapshot_asked.uuid)) {
            throw Failure(Exit::not_found,
                          "snapshot " + *asked + " (" + snapshot_asked.uuid + ") is not on " + route_.host +
                              ", or was squashed there",
                          "leave it out: the newest that both have is compared");
        }
        return snapshot_asked.uuid;
    }
    for (auto mine = list.rbegin(); mine != list.rend(); ++mine) {
        if (!mine->squashed && theirs(mine->uuid)) {
            return mine->uuid;
        }
    }
    throw Failure(Exit::not_found,
                  volume_.what() + " and " + route_.host + " have no snapshot in common that can be read",
                  "make one: zumastor replicate " + volume_.config().name);
}

void Comparison::open(VerifyEnd& mine, const VerifyHello& hello, VerifyPipes pipes)
{
    if (wanted_.empty()) {
        wanted_ = choose(hello);
    }
    const std::uint64_t my_bytes = mine.open(wanted_);
    snapshot = mine.snapshot();
    VerifyRequest request{"open", wanted_, 0, 0, 0, {}};
    write_line(pipes.to, format(request));
    const VerifyAnswer answer = parse_verify_answer(read_line(pipes.from));
    if (!answer.error.empty()) {
        throw Failure(answer.code, route_.host + ": " + answer.error, answer.next);
    }
    const bool upstream = mine.side() == Side::upstream;
    bytes = upstream ? my_bytes : answer.bytes;
    const std::uint64_t replica = upstream ? answer.bytes : my_bytes;
    if (replica < bytes) {
        throw Failure(Exit::mismatch,
                      "snapshot " + wanted_ + " has " + std::to_string(bytes) + " bytes upstream, but only " +
                          std::to_string(replica) + " on the replica",
                      "it cannot be repaired: make a larger replica, and replicate with --full");
    }
    chunk_bytes = volume_.daemon().status().chunk_bytes;
    if (hello.chunk_bytes != chunk_bytes) {
        throw Failure(Exit::mismatch, "the chunks of " + route_.host + " have " +
                                          std::to_string(hello.chunk_bytes) + " bytes, those of " +
                                          volume_.what() + " " + std::to_string(chunk_bytes));
    }
}

void add_run(Runs& runs, std::uint64_t at)
{
    if (!runs.empty() && runs.back().first + runs.back().count == at) {
        ++runs.back().count;
    } else {
        runs.push_back({at, 1});
    }
}

bool equal_hashes(const stream::RangeHash& mine, VerifyPipes pipes, std::uint64_t& travelled)
{
    const std::string line = read_line(pipes.from);
    travelled += line.size() + 1;
    return !mine.empty() && parse_hash(line) == mine;
}

void Comparison::compare_ranges(VerifyEnd& mine, VerifyPipes pipes)
{
    const stream::Ranges ranges{bytes, kVerifyUnit};
    stream::Header header; // for the progress
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(kVerifyUnit));
    header.chunks = ranges.count();
    Progress progress(args_, header);
    std::uint64_t travelled = 0;
    write_line(pipes.to, format(VerifyRequest{"hash", {}, bytes, 0, ranges.count(), {}}));
    mine.hash(ranges, 0, ranges.count(), [&](std::uint64_t range, const stream::RangeHash& hash) {
        if (!equal_hashes(hash, pipes, travelled)) {
            add_run(pending_, range);
        }
        progress.show(range + 1, travelled);
    });
    progress.finish(ranges.count(), travelled);
}

template <class Visit>
void Comparison::compare_chunks(VerifyEnd& mine, VerifyPipes pipes, const stream::ChunkRun& units,
                                const Visit& visit)
{
    const stream::Ranges chunks{bytes, chunk_bytes};
    const std::uint64_t per_unit = kVerifyUnit / chunk_bytes;
    const std::uint64_t first = units.first * per_unit;
    const std::uint64_t end = std::min((units.first + units.count) * per_unit, chunks.count());
    std::uint64_t travelled = 0;
    write_line(pipes.to, format(VerifyRequest{"chunks", {}, bytes, first, end - first, {}}));
    mine.hash(chunks, first, end - first, [&](std::uint64_t chunk, const stream::RangeHash& hash) {
        if (!equal_hashes(hash, pipes, travelled)) {
            visit(chunk);
        }
    });
}

void Comparison::compare_again(VerifyEnd& mine, VerifyPipes pipes)
{
    std::uint64_t wrong = 0;
    for (const stream::ChunkRun& units : repaired_) {
        compare_chunks(mine, pipes, units, [&](std::uint64_t) { ++wrong; });
    }
    repaired_.clear();
    if (wrong > 0) {
        throw Failure(Exit::mismatch,
                      "snapshot " + wanted_ + ": " + std::to_string(wrong) +
                          " chunks of the replica differ although they were just repaired",
                      "look after its disks; what was repaired stays so");
    }
}

// Chunks of the pending ranges that differ: all of them, or with --repair as many as one session repairs.
Runs Comparison::next_differing(VerifyEnd& mine, VerifyPipes pipes)
{
    Runs runs;
    const bool repair = args_.has("--repair");
    while (!pending_.empty() && runs.size() < kRepairRuns) {
        const stream::ChunkRun units{pending_.front().first, 1};
        compare_chunks(mine, pipes, units, [&](std::uint64_t chunk) {
            const std::uint64_t offset = chunk * chunk_bytes;
            found.add({offset, std::min(chunk_bytes, bytes - offset)});
            if (repair) {
                add_run(runs, chunk);
            }
        });
        if (repair) {
            repaired_.push_back(units);
        }
        ++pending_.front().first;
        if (--pending_.front().count == 0) {
            pending_.erase(pending_.begin());
        }
    }
    return runs;
}

void Comparison::mend(VerifyEnd& mine, const Runs& runs, VerifyPipes pipes)
{
    if (mine.side() == Side::replica) {
        write_line(pipes.to,
                   format(VerifyRequest{"send", {}, bytes, 0, 0, runs, route_.options.bytes_per_second}));
        mine.take(pipes.from);
        return;
    }
    write_line(pipes.to, format(VerifyRequest{"take", {}, bytes, 0, 0, {}, 0}));
    try {
        mine.send(runs, route_.options, pipes.to);
    } catch (const stream::SinkError&) {
        need_answer(pipes); // it says why it has stopped reading, if it can
        throw;
    }
    need_answer(pipes);
}

// True if another session is needed.
bool Comparison::talk(VerifyPipes pipes)
{
    const VerifyHello hello = parse_verify_hello(read_line(pipes.from));
    VerifyEnd mine(volume_, route_.mine);
    open(mine, hello, pipes);
    if (!compared_) {
        compare_ranges(mine, pipes);
        compared_ = true;
    }
    compare_again(mine, pipes);
    const Runs runs = next_differing(mine, pipes);
    // The first repair comes even if nothing differs: the replica's origin is to be what its snapshot is.
    if (args_.has("--repair") && (!runs.empty() || !settled_)) {
        settled_ = true;
        mend(mine, runs, pipes);
        return !repaired_.empty();
    }
    write_line(pipes.to, format(VerifyRequest{"end", {}, 0, 0, 0, {}, 0}));
    return false;
}

bool Comparison::session()
{
    const bool replica_there = route_.mine == Side::upstream;
    std::vector<std::string> words{"zumastor",  "verify", route_.volume,
                                   "--session", "--as",   replica_there ? "replica" : "upstream"};
    if (args_.has("--repair")) {
        words.emplace_back("--repair");
    }
    Peer peer(route_.host, route_.ssh_user, words);
    try {
        const bool more = talk({peer.from(), peer.to()});
        if (const int status = peer.finish(); status != 0) {
            throw Failure(Exit::failed,
                          route_.host + ": zumastor there ended with exit code " + std::to_string(status));
        }
        return more;
    } catch (const stream::TransferError& error) {
        throw_broken(peer, error.what(), "verify can be repeated");
    }
}

// ---- the command ----

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
Route find_route(const VolumeConfig& config, Args& args)
{
    const auto word = args.get("HOST");
    const auto host = word ? HostName::from(*word) : std::nullopt;
    if (host) {
        if (const Target* target = find_target(config, *host)) {
            return route_to(config, *target);
        }
    }
    const bool is_source = config.source && host && config.source->host.is_meant_by(*host);
    if (word && !is_source && args.has("SNAP")) {
        throw Failure(Exit::not_found,
                      "volume " + config.name + " has neither a source nor a target " + *word,
                      "see: zumastor status " + config.name + " --full");
    }
    if (word && !is_source) {
        args.add("SNAP", {*word});
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

} // namespace

Exit verify(const Args& given)
{
    constexpr std::int64_t kMostListed = 1'000'000;
    Args args = given;
    Volume volume(load_config(args.need("VOL")));
    if (args.has("--session")) {
        return serve_verify(volume, args);
    }
    const auto limit = need_integer(args.get("--limit").value_or("1000"), "limit", 0, kMostListed);
    const Route route = find_route(volume.config(), args);
    Comparison comparison(volume, route, args, static_cast<std::uint64_t>(limit));
    comparison.run();
    const bool equal = comparison.found.ranges() == 0;
    const bool repaired = !equal && args.has("--repair");
    if (args.has("--json")) {
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

} // namespace zumastor
