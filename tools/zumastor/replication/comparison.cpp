// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/comparison.h"

#include <algorithm>
#include <bit>

#include "tools/common/failure.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/replication/peer_session.h"

namespace zumastor {
namespace {

using Side = VerifyEnd::Side;
using Runs = std::vector<stream::ChunkRun>;

constexpr std::size_t kRepairRuns = 65536; // in one session: bounds memory, and the line that names them

void add_run(Runs& runs, std::uint64_t at)
{
    if (!runs.empty() && runs.back().first + runs.back().count == at) {
        ++runs.back().count;
    } else {
        runs.push_back({at, 1});
    }
}

bool equal_hashes(const stream::RangeHash& mine, Pipes pipes, std::uint64_t& travelled)
{
    const std::string line = read_line(pipes.from);
    travelled += line.size() + 1;
    return !mine.empty() && parse_hash(line) == mine;
}

} // namespace

Comparison::Comparison(Volume& volume, Route route, ComparisonOptions options)
    : volume_(volume), route_(std::move(route)), options_(std::move(options)), found(options_.limit)
{}

void Comparison::run()
{
    while (session()) {
    }
}

VerifyAnswer Comparison::need_answer(Pipes pipes) const
{
    VerifyAnswer answer = parse_verify_answer(read_line(pipes.from));
    need_no_refusal(answer.refusal, route_.host);
    return answer;
}

// The snapshot that was asked for, or the newest that both have.
UuidText Comparison::choose(const VerifyHello& hello) const
{
    const auto theirs = [&](const std::string& uuid) {
        return std::find(hello.snapshots.begin(), hello.snapshots.end(), uuid) != hello.snapshots.end();
    };
    Daemon daemon = volume_.daemon();
    const std::vector<SnapshotEntry> list = daemon.list();
    if (const auto& asked = options_.snapshot) {
        const SnapshotEntry& snapshot_asked = find_snapshot(list, volume_.config(), *asked);
        if (!theirs(snapshot_asked.uuid)) {
            throw Failure(Exit::not_found,
                          "snapshot " + *asked + " (" + snapshot_asked.uuid + ") is not on " + route_.host +
                              ", or was squashed there",
                          "leave SNAP out: the newest snapshot that both have is compared");
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

void Comparison::open(VerifyEnd& mine, const VerifyHello& hello, Pipes pipes)
{
    if (wanted_.empty()) {
        wanted_ = choose(hello);
    }
    const std::uint64_t my_bytes = mine.open(wanted_);
    snapshot = mine.snapshot();
    VerifyRequest request{Ask::open, wanted_, 0, 0, 0, {}, 0};
    write_line(pipes.to, format(request));
    const VerifyAnswer answer = need_answer(pipes);
    const bool upstream = mine.side() == Side::upstream;
    bytes = upstream ? my_bytes : answer.bytes;
    const std::uint64_t replica = upstream ? answer.bytes : my_bytes;
    if (replica < bytes) {
        throw Failure(Exit::mismatch,
                      "snapshot " + wanted_ + " has " + std::to_string(bytes) + " bytes upstream, but only " +
                          std::to_string(replica) + " on the replica",
                      "the snapshot cannot be repaired: make a larger replica, and replicate with "
                      "--full");
    }
    chunk_bytes = volume_.daemon().status().chunk_bytes;
    if (hello.chunk_bytes != chunk_bytes) {
        throw Failure(Exit::mismatch, "the chunks of " + route_.host + " have " +
                                          std::to_string(hello.chunk_bytes) + " bytes, those of " +
                                          volume_.what() + " " + std::to_string(chunk_bytes));
    }
}

void Comparison::compare_ranges(VerifyEnd& mine, Pipes pipes)
{
    const stream::Ranges ranges{bytes, kVerifyUnit};
    stream::Header header; // for the progress
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(kVerifyUnit));
    header.chunks = ranges.count();
    Progress progress(options_.shown, header);
    std::uint64_t travelled = 0;
    write_line(pipes.to, format(VerifyRequest{Ask::hash, {}, bytes, 0, ranges.count(), {}, 0}));
    mine.hash(ranges, 0, ranges.count(), [&](std::uint64_t range, const stream::RangeHash& hash) {
        if (!equal_hashes(hash, pipes, travelled)) {
            add_run(pending_, range);
        }
        progress.show(range + 1, travelled);
    });
    progress.finish(ranges.count(), travelled);
}

template <class Visit>
void Comparison::compare_chunks(VerifyEnd& mine, Pipes pipes, const stream::ChunkRun& units,
                                const Visit& visit)
{
    const stream::Ranges chunks{bytes, chunk_bytes};
    const std::uint64_t per_unit = kVerifyUnit / chunk_bytes;
    const std::uint64_t first = units.first * per_unit;
    const std::uint64_t end = std::min((units.first + units.count) * per_unit, chunks.count());
    std::uint64_t travelled = 0;
    write_line(pipes.to, format(VerifyRequest{Ask::chunks, {}, bytes, first, end - first, {}, 0}));
    mine.hash(chunks, first, end - first, [&](std::uint64_t chunk, const stream::RangeHash& hash) {
        if (!equal_hashes(hash, pipes, travelled)) {
            visit(chunk);
        }
    });
}

void Comparison::compare_again(VerifyEnd& mine, Pipes pipes)
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
                      "examine the replica's disks; what was repaired before stays repaired");
    }
}

// Chunks of the pending ranges that differ: all of them, or with --repair as many as one session repairs.
Runs Comparison::next_differing(VerifyEnd& mine, Pipes pipes)
{
    Runs runs;
    const bool repair = options_.repair;
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

void Comparison::repair(VerifyEnd& mine, const Runs& runs, Pipes pipes)
{
    if (mine.side() == Side::replica) {
        write_line(pipes.to,
                   format(VerifyRequest{Ask::send, {}, bytes, 0, 0, runs, route_.options.bytes_per_second}));
        mine.take(pipes.from);
        return;
    }
    write_line(pipes.to, format(VerifyRequest{Ask::take, {}, bytes, 0, 0, {}, 0}));
    try {
        mine.send(runs, route_.options, pipes.to);
    } catch (const stream::SinkError&) {
        need_answer(pipes); // it says why it has stopped reading, if it can
        throw;
    }
    need_answer(pipes);
}

// True if another session is needed.
bool Comparison::talk(Pipes pipes)
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
    if (options_.repair && (!runs.empty() || !tried_repair_)) {
        tried_repair_ = true;
        repair(mine, runs, pipes);
        return !repaired_.empty();
    }
    write_line(pipes.to, format(VerifyRequest{}));
    return false;
}

bool Comparison::session()
{
    const bool replica_there = route_.mine == Side::upstream;
    std::vector<std::string> words{"zumastor",  "verify", route_.volume,
                                   "--session", "--as",   replica_there ? "replica" : "upstream"};
    if (options_.repair) {
        words.emplace_back("--repair");
    }
    Peer peer(route_.host, route_.ssh_user, words);
    return in_session(peer, "verify can be repeated", [&](Pipes pipes) {
        const bool more = talk(pipes);
        if (const int status = peer.finish(); status != 0) {
            throw ended_with(peer, status);
        }
        return more;
    });
}

} // namespace zumastor
