// SPDX-License-Identifier: GPL-2.0
// zumastor receive: a stream from standard input becomes a snapshot of a replica.
#include <unistd.h>

#include <cstdio>

#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/replication/receiving.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/replication/session_ends.h"
#include "tools/zumastor/state/resume_token.h"
#include "tools/zumastor/volume/rollback.h"

namespace zumastor {
namespace {

struct Receive : Yes, ProgressOptions {
    std::string volume;
    bool resume_token = false;
    bool session = false;
    bool abort = false;
};

// Changes nothing and takes no lock: `zumastor send … --resume "$(zumastor receive VOL --resume-token)" |
// zumastor receive VOL` begins to receive before it asks.
Exit print_token(const Volume& volume)
{
    const ReplicaState state = load_replica_state(volume.paths().state);
    Daemon daemon = volume.daemon();
    if (!state.reception || is_received(daemon, *state.reception)) {
        throw Failure(Exit::not_found, volume.what() + ": there is no interrupted reception",
                      "send the stream from the beginning");
    }
    std::printf("%s\n", format_token(*state.reception).c_str());
    return Exit::ok;
}

struct Receivable {
    VolumeLock lock; // not the volume's: a stream takes long
    std::string question;
};

VolumeLock lock_to_receive(const Volume& volume, const stream::Header& header, bool yes)
{
    return look_and_ask(yes,
                        [&] {
                            VolumeLock lock(volume.config().name, "receive");
                            Daemon daemon = volume.daemon();
                            ReplicaState state = load_replica_state(volume.paths().state);
                            end_reception(volume, daemon, state);
                            refuse_bad_stream(volume, daemon, state, header);
                            const bool asks = header.full() && state.lineage.empty();
                            return Receivable{std::move(lock),
                                              asks ? "everything on " + volume.what() + " is overwritten"
                                                   : ""};
                        })
        .lock;
}

Exit receive_stream(const Receive& given)
{
    if (given.session) {
        Volume volume(load_config(given.volume));
        return serve_session(volume, [&](Pipes pipes) { return receive_session(volume, given, pipes); });
    }

    const std::string name = given.volume;
    Volume volume(load_config(name));
    if (given.resume_token) {
        return print_token(volume);
    }
    if (!given.abort) {
        Incoming incoming(STDIN_FILENO);
        const VolumeLock lock = lock_to_receive(volume, incoming.header(), given.yes);
        const Received received = receive_from(volume, given, incoming);
        std::printf("%llu\n", static_cast<unsigned long long>(received.snapshot.id));
        std::fflush(stdout);
        Troubles troubles;
        if (volume.config().source) {
            show_received(volume, troubles);
        }
        return conclude(troubles);
    }
    const VolumeLock lock(name, "receive");
    Daemon daemon = volume.daemon();
    ReplicaState state = load_replica_state(volume.paths().state);
    end_reception(volume, daemon, state);
    refuse_wrong_role(volume);
    take_back(volume, daemon, state);
    return Exit::ok;
}

constexpr auto kReceiveOptions = option_table<Receive>(
    flag<&Receive::resume_token>("--resume-token",
                                 "print where an interrupted reception stopped, for send --resume"),
    flag<&Receive::session>("--session", "talk to zumastor replicate on the other side"),
    flag<&Receive::abort>("--abort",
                          "take back what was received or written since the last snapshot received"),
    kYesOption, kProgressOptions);

} // namespace

constexpr CommandSpec kReceive = command<receive_stream>(
    "receive", arguments<&Receive::volume>("VOL"), "Receive a stream from standard input as a snapshot.",
    kReceiveOptions,
    Page{"The stream is written to the origin. The snapshot is taken when the whole "
         "stream was received and found correct. Other snapshots of the replica do not "
         "change. An interrupted stream can be resumed.",
         "$ zumastor receive data <changes\n"
         "Where an interrupted stream can be resumed, and how to take it back:\n"
         "$ zumastor receive data --resume-token\n"
         "$ zumastor receive data --abort"});

} // namespace zumastor
