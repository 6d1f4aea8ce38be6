// SPDX-License-Identifier: GPL-2.0
// zumastor replicate: one cycle between two hosts, begun from either side. The two ends of a session
// (session.h) are here; transfer.h has what they send.
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "tools/common/text.h"
#include "tools/stream/byte_stream.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/detach.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/config/uuid_text.h"
#include "tools/zumastor/replication/ahead.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/replication/peer.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/replication/stream_lock.h"
#include "tools/zumastor/replication/transfer.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/state/holds.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/volume/sectors.h"

namespace zumastor {
namespace {

struct Pipes {
    int from = -1;
    int to = -1;
};

// A failure that the other side was told of: it says it to whoever began.
class Refused : public Failure {
public:
    explicit Refused(const Failure& failure) : Failure(failure) {}
};

// Runs the part of a session before its first line.
template <class Part>
auto or_refuse(Pipes pipes, const Part& part)
{
    try {
        return part();
    } catch (const Failure& failure) {
        write_line(pipes.to, format_refusal(failure));
        throw Refused(failure);
    }
}

SendPlan refusal(const Failure& failure)
{
    SendPlan plan;
    plan.error = failure.what();
    plan.next = failure.next();
    plan.code = failure.code();
    return plan;
}

// Ends what had been begun before anything new is sent.
bool can_go_on(const std::vector<SnapshotEntry>& mine, const ReplicaOffer& offer)
{
    return offer.reception && std::any_of(mine.begin(), mine.end(), [&](const SnapshotEntry& snapshot) {
               return snapshot.uuid == offer.reception->to && !snapshot.squashed;
           });
}

// What the replica is to have after this cycle: a snapshot that is there, or a new one. A replica has no
// moment of its own to take one of: it hands on what it received.
SnapshotEntry choose(Volume& volume, Daemon& daemon, const ReplicaOffer& offer, const Args& args,
                     const Ahead* ahead)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    if (const auto wanted = args.get("--snapnum")) {
        return find_snapshot(list, volume.config(), *wanted);
    }
    if (can_go_on(list, offer) && !args.has("--full")) {
        return find_snapshot(list, volume.config(), offer.reception->to);
    }
    const ReplicaState replica = load_replica_state(volume.paths().state);
    if (!volume.config().source) {
        const auto taken = ahead != nullptr ? ahead->meant_for(offer.uuid) : std::nullopt;
        return taken ? *taken : take_consistent(volume, daemon, {SnapshotTag::need(kReplicateKind)});
    }
    if (replica.last.empty()) {
        throw Failure(Exit::not_found, volume.what() + " is a replica that has received nothing yet",
                      "replicate to it first: zumastor replicate " + volume.config().name);
    }
    return find_snapshot(list, volume.config(), replica.last);
}

// The replica has it: the next cycle is based on it.
void remember_sent(Volume& volume, const UuidText& replica, const std::string& sent, Troubles& troubles)
{
    const VolumeLock lock(volume.config().name);
    TargetState target = load_target_state(volume.paths().state, replica);
    target.base = sent;
    target.in_flight.clear();
    target.marked.clear(); // its bookmark has another base
    save_target_state(volume.paths().state, target);
    release_former_base(volume.paths().state, replica);
    attempt(troubles, "old snapshots of replication stay", [&] {
        Daemon daemon = volume.daemon(); // it may have been started again during the transfer
        drop_replication_snapshots(volume, daemon, troubles);
    });
}

// The same for a replica that asks, if it is known which target it is: once it has been pushed to.
stream::SendOptions limited(const stream::SendOptions& options, const VolumeConfig& config,
                            const TargetState& state)
{
    const Target* target = find_target(config, state.host);
    return target == nullptr ? options : limited(options, *target);
}

void need_success(const ReplicaResult& result)
{
    if (!result.ok) {
        throw Failure(result.code, "the replica: " + result.error, result.next);
    }
}

// Returns the stream's length.
std::uint64_t transmit(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
                       const Args& args, Pipes pipes)
{
    std::uint64_t bytes = 0;
    try {
        bytes = send_to(volume, ends, options, args, pipes.to).bytes;
    } catch (const stream::SinkError&) {
        need_success(parse_result(read_line(pipes.from))); // it says why it has stopped reading, if it can
        throw;
    }
    need_success(parse_result(read_line(pipes.from)));
    return bytes;
}

// What one session did.
struct SessionEnd {
    bool more = false;       // another one is needed to finish the cycle
    std::uint64_t bytes = 0; // of the stream
    Troubles troubles{};     // what could not be done beside it
};

// The sender's end. `ahead`: null if this side was asked to send.
SessionEnd send_session(Volume& volume, const Args& args, stream::SendOptions options, const HostName& host,
                        Pipes pipes, Ahead* ahead)
{
    const ReplicaOffer offer = parse_offer(read_line(pipes.from));
    limit_rate(options, offer.bytes_per_second);
    const VolumeLock lock =
        or_refuse(pipes, [&] { return lock_stream(volume.config().name, "send." + offer.uuid); });
    Daemon daemon = or_refuse(pipes, [&] { return volume.daemon(); });
    std::string sent;
    SendPlan plan;
    std::optional<SendEnds> ends;
    try {
        plan.sector_bytes = sectors_needed(volume);
        refuse_larger_sectors(plan.sector_bytes, offer.sector_bytes, volume.what(),
                              "the replica's volume " + offer.volume);
        // Until it is written down that the snapshot is needed, nobody else may tidy up.
        const VolumeLock no_rotation(volume.config().name);
        const bool goes_on = can_go_on(daemon.list(), offer) && !args.has("--full");
        const SnapshotEntry to = choose(volume, daemon, offer, args, ahead);
        ends = plan_for(volume, daemon.list(), offer, to, args.has("--full"));
        if (ends) {
            ends->patches = offer.patches;
        }
        sent = ends ? ends->to.uuid : to.uuid;
        TargetState target = load_target_state(volume.paths().state, offer.uuid);
        if (host.empty()) { // one that is pushed to may ask, too
            options = limited(options, volume.config(), target);
        } else {
            target.host = host;
        }
        target.volume = offer.volume;
        target.in_flight = sent;
        save_target_state(volume.paths().state, target);
        if (ahead != nullptr && ahead->meant_for(offer.uuid) && sent == ahead->meant_for(offer.uuid)->uuid) {
            ahead->keep();
        }
        sync_holds(volume, daemon);
        plan.nothing = !ends;
        plan.more = goes_on || sent != to.uuid;
    } catch (const Failure& failure) {
        SendPlan refused = refusal(failure);
        refused.sector_bytes = plan.sector_bytes;
        write_line(pipes.to, format(refused));
        throw Refused(failure);
    }
    write_line(pipes.to, format(plan));
    SessionEnd end{plan.more};
    if (ends) {
        if (ends->first_chunk > 0) {
            note(volume.what() + ": goes on at chunk " + std::to_string(ends->first_chunk) +
                 ", where the last transfer broke off");
        }
        end.bytes = transmit(volume, *ends, options, args, pipes);
    }
    remember_sent(volume, offer.uuid, sent, end.troubles);
    return end;
}

// What upstream's filesystem needs is the doctor's to know, too.
void note_sectors(const Volume& volume, std::uint64_t needed)
{
    ReplicaState state = load_replica_state(volume.paths().state);
    if (needed != 0 && state.sector_bytes != needed) {
        state.sector_bytes = needed;
        save_replica_state(volume.paths().state, state);
    }
}

// The receiver's end.
SessionEnd receive_session(Volume& volume, const Args& args, Pipes pipes)
{
    const VolumeLock lock = or_refuse(pipes, [&] { return lock_stream(volume.config().name, "receive"); });
    const ReplicaOffer offer = or_refuse(pipes, [&] {
        if (!volume.config().source) {
            throw Failure(Exit::usage, volume.what() + " is no replica",
                          "make it one: zumastor define source " + volume.config().name + " HOST");
        }
        return offer_of(volume);
    });
    write_line(pipes.to, format(offer));
    const SendPlan plan = parse_plan(read_line(pipes.from));
    note_sectors(volume, plan.sector_bytes);
    if (!plan.error.empty()) {
        throw Failure(plan.code, "the upstream side: " + plan.error, plan.next);
    }
    if (plan.nothing) {
        return {plan.more};
    }
    ReplicaResult result;
    Received received;
    try {
        Incoming incoming(pipes.from);
        received = receive_from(volume, args, incoming);
        result.ok = true;
        result.snapshot = received.snapshot.uuid;
        result.id = received.snapshot.id;
    } catch (const Failure& failure) {
        result.error = failure.what();
        result.next = failure.next();
        result.code = failure.code();
        write_line(pipes.to, format(result));
        throw Refused(failure);
    }
    write_line(pipes.to, format(result));
    SessionEnd end{plan.more, received.bytes};
    show_received(volume, end.troubles); // while the other side tidies up; it waits for our end
    return end;
}

// A session with a peer whose connection may break.
template <class Session>
SessionEnd with_peer(Peer& peer, const Session& session)
{
    try {
        SessionEnd end = session(Pipes{peer.from(), peer.to()});
        const int status = peer.finish();
        if (status == static_cast<int>(Exit::partly)) { // what was to be sent is there
            end.troubles.push_back(peer.host() +
                                   ": not all was done there after the transfer; its own message is above");
        } else if (status != 0) {
            throw Failure(Exit::failed,
                          peer.host() + ": zumastor there ended with exit code " + std::to_string(status));
        }
        return end;
    } catch (const Failure&) {
        check_interrupt(); // which may have looked like a broken stream
        throw;
    } catch (const stream::TransferError& error) {
        throw_broken(peer, error.what(), "another cycle goes on from here");
    }
}

std::vector<std::string> remote_words(const char* verb, const std::string& volume, const Args& args)
{
    std::vector<std::string> words{"zumastor", verb, volume, "--session", "--quiet"};
    if (std::string(verb) == "send") {
        if (args.has("--full")) {
            words.emplace_back("--full");
        }
        if (const auto number = args.get("--snapnum")) {
            words.insert(words.end(), {"--snapnum", *number});
        }
    }
    return words;
}

// Both return the length of what was sent.
std::uint64_t push(Volume& volume, const Target& target, Args args, Troubles& troubles)
{
    if (target.full) {
        args.add("--full", {});
    }
    const stream::SendOptions options = limited({}, target);
    const std::string remote = target.volume.empty() ? volume.config().name : target.volume;
    std::uint64_t bytes = 0;
    for (bool more = true; more;) {
        Peer peer(target.host, target.ssh_user, remote_words("receive", remote, args));
        const SessionEnd end = with_peer(peer, [&](Pipes pipes) {
            Ahead ahead(volume, target.host, remote, args);
            return send_session(volume, args, options, target.host, pipes, &ahead);
        });
        bytes += end.bytes;
        troubles.insert(troubles.end(), end.troubles.begin(), end.troubles.end());
        more = end.more;
    }
    return bytes;
}

std::uint64_t pull(Volume& volume, const Args& args, Troubles& troubles)
{
    const SourceRole& source = *volume.config().source;
    const std::string remote = source.volume.empty() ? volume.config().name : source.volume;
    std::uint64_t bytes = 0;
    for (bool more = true; more;) {
        Peer peer(source.host, source.ssh_user, remote_words("send", remote, args));
        const SessionEnd end =
            with_peer(peer, [&](Pipes pipes) { return receive_session(volume, args, pipes); });
        bytes += end.bytes;
        troubles.insert(troubles.end(), end.troubles.begin(), end.troubles.end());
        more = end.more;
    }
    return bytes;
}

// For a log: one line instead of what a terminal, or a program, is told.
bool wants_a_line(const Args& args)
{
    return !args.has("--quiet") && !args.has("--json") && ::isatty(STDERR_FILENO) == 0;
}

void one_cycle(Volume& volume, const HostName& host, const Args& args, bool tell, Troubles& troubles)
{
    std::uint64_t bytes = 0;
    const CycleRecord done = run_cycle(volume, host, troubles, [&](Troubles& own) {
        bytes = host.empty() ? pull(volume, args, own)
                             : push(volume, *find_target(volume.config(), host), args, own);
    });
    if (tell) {
        note(describe_cycle(volume, host, done, bytes));
    }
}

// Its target, all its targets, or ("") its source.
std::vector<HostName> cycles_asked_for(const Volume& volume, const Args& args)
{
    const VolumeConfig& config = volume.config();
    const auto host = host_from(args);
    if (!host && config.source) {
        return {HostName{}};
    }
    if (host && find_target(config, *host) == nullptr) {
        throw Failure(Exit::not_found, volume.what() + " has no target " + *host,
                      "define it: zumastor define target " + config.name + " " + *host);
    }
    if (config.targets.empty()) {
        throw Failure(Exit::usage, volume.what() + " has neither a source nor a target",
                      "define one: zumastor define target " + config.name + " HOST");
    }
    std::vector<HostName> hosts;
    for (const Target& target : config.targets) {
        if (!host || target.host == *host) {
            hosts.push_back(target.host);
        }
    }
    return hosts;
}

} // namespace

Exit serve_session(const Args& args, bool sends)
{
    Volume volume(load_config(args.need("VOL")));
    const Pipes pipes{0, 1};
    (void)std::signal(SIGPIPE, SIG_IGN); // a peer that has gone is an error with a text
    try {
        return conclude((sends ? send_session(volume, args, send_options(args), {}, pipes, nullptr)
                               : receive_session(volume, args, pipes))
                            .troubles);
    } catch (const Refused& refused) {
        return refused.code();
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what());
    }
}

Exit replicate(const Args& args)
{
    {
        const Volume volume(load_config(args.need("VOL")));
        const std::vector<HostName> hosts = cycles_asked_for(volume, args);
        if (args.has("--nowait") && !go_on_detached(volume, hosts, args)) {
            return Exit::ok;
        }
    }
    keep_delay(args);
    Volume volume(load_config(args.need("VOL"))); // as it is now
    const std::vector<HostName> hosts = cycles_asked_for(volume, args);
    const bool tell = wants_a_line(args);
    Args stream_args = args;
    if (tell) {
        stream_args.add("--quiet", {}); // all of it is in the line
    }
    Troubles troubles;
    Exit first = Exit::ok;
    std::size_t failed = 0;
    for (const HostName& host : hosts) {
        try {
            one_cycle(volume, host, stream_args, tell, troubles);
        } catch (const Failure& failure) {
            if (hosts.size() == 1 || failure.code() == Exit::interrupted) {
                throw;
            }
            first = failed++ == 0 ? failure.code() : first;
            troubles.push_back(host + ": " + failure.what() +
                               (failure.next().empty() ? "" : "; " + failure.next()));
        }
    }
    const Exit partly = conclude(troubles);
    return failed == hosts.size() ? first : partly;
}

} // namespace zumastor
