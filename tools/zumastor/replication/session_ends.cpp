// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/session_ends.h"
#include "tools/zumastor/config/troubles.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tools/stream/byte_stream.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/replication/receiving.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/replication/sending.h"
#include "tools/zumastor/replication/stream_lock.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/state/target_state.h"
#include "tools/zumastor/volume/held_snapshots.h"
#include "tools/zumastor/volume/sectors.h"
#include "tools/zumastor/volume/snapshots.h"

namespace zumastor {
namespace {

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

// Ends what had been begun before anything new is sent.
bool can_go_on(const std::vector<SnapshotEntry>& mine, const ReplicaOffer& offer)
{
    return offer.reception && std::any_of(mine.begin(), mine.end(), [&](const SnapshotEntry& snapshot) {
               return snapshot.uuid == offer.reception->to && !snapshot.squashed;
           });
}

// What the replica is to have after this cycle: a snapshot that is there, or a new one. A replica has no
// moment of its own to take one of: it hands on what it received.
SnapshotEntry choose(Volume& volume, Daemon& daemon, const ReplicaOffer& offer, const CycleOptions& options,
                     const EarlySnapshot* early)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    if (options.snapshot) {
        return find_snapshot(list, volume.config(), *options.snapshot);
    }
    if (can_go_on(list, offer) && !options.full) {
        return find_snapshot(list, volume.config(), offer.reception->to);
    }
    const ReplicaState replica = load_replica_state(volume.paths().state);
    if (!volume.config().source) {
        const auto taken = early != nullptr ? early->meant_for(offer.uuid) : std::nullopt;
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
    attempt(troubles, "old replication snapshots are not deleted", [&] {
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
        throw Failure(result.refusal.code, "the replica: " + result.refusal.error, result.refusal.next);
    }
}

// Returns the stream's length.
std::uint64_t transmit(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
                       const ProgressOptions& shown, Pipes pipes)
{
    std::uint64_t bytes = 0;
    try {
        bytes = send_to(volume, ends, options, shown, pipes.to).bytes;
    } catch (const stream::SinkError&) {
        need_success(parse_result(read_line(pipes.from))); // it says why it has stopped reading, if it can
        throw;
    }
    need_success(parse_result(read_line(pipes.from)));
    return bytes;
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

} // namespace

SessionEnd send_session(Volume& volume, const CycleOptions& cycle, stream::SendOptions options,
                        const HostName& host, Pipes pipes, EarlySnapshot* early)
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
        const bool goes_on = can_go_on(daemon.list(), offer) && !cycle.full;
        const SnapshotEntry to = choose(volume, daemon, offer, cycle, early);
        ends = plan_for(volume, daemon.list(), offer, to, cycle.full);
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
        if (early != nullptr && early->meant_for(offer.uuid) && sent == early->meant_for(offer.uuid)->uuid) {
            early->keep();
        }
        sync_holds(volume, daemon);
        plan.nothing = !ends;
        plan.more = goes_on || sent != to.uuid;
    } catch (const Failure& failure) {
        write_line(pipes.to, format(SendPlan{false, false, refusal_of(failure), plan.sector_bytes}));
        throw Refused(failure);
    }
    write_line(pipes.to, format(plan));
    SessionEnd end{plan.more};
    if (ends) {
        if (ends->first_chunk > 0) {
            note(volume.what() + ": resumes at chunk " + std::to_string(ends->first_chunk) +
                 ", where the last transfer was interrupted");
        }
        end.bytes = transmit(volume, *ends, options, cycle.shown, pipes);
    }
    remember_sent(volume, offer.uuid, sent, end.troubles);
    return end;
}

SessionEnd receive_session(Volume& volume, const ProgressOptions& shown, Pipes pipes)
{
    const VolumeLock lock = or_refuse(pipes, [&] { return lock_stream(volume.config().name, "receive"); });
    const ReplicaOffer offer = or_refuse(pipes, [&] {
        if (!volume.config().source) {
            throw Failure(Exit::usage, volume.what() + " is not a replica",
                          "make it one: zumastor define source " + volume.config().name + " HOST");
        }
        return offer_of(volume);
    });
    write_line(pipes.to, format(offer));
    const SendPlan plan = parse_plan(read_line(pipes.from));
    note_sectors(volume, plan.sector_bytes);
    need_no_refusal(plan.refusal, "the upstream side");
    if (plan.nothing) {
        return {plan.more};
    }
    ReplicaResult result;
    Received received;
    try {
        Incoming incoming(pipes.from);
        received = receive_from(volume, shown, incoming);
        result.ok = true;
        result.snapshot = received.snapshot.uuid;
        result.id = received.snapshot.id;
    } catch (const Failure& failure) {
        result.refusal = refusal_of(failure);
        write_line(pipes.to, format(result));
        throw Refused(failure);
    }
    write_line(pipes.to, format(result));
    SessionEnd end{plan.more, received.bytes};
    show_received(volume, end.troubles); // while the other side tidies up; it waits for our end
    return end;
}

Exit serve_session(const Volume& volume, const std::function<SessionEnd(Pipes)>& session)
{
    (void)std::signal(SIGPIPE, SIG_IGN); // a peer that has gone is an error with a text
    try {
        return conclude(session(Pipes{STDIN_FILENO, STDOUT_FILENO}).troubles);
    } catch (const Refused& refused) {
        return refused.code();
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what());
    }
}

} // namespace zumastor
