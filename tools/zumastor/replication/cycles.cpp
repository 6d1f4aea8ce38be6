// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/cycles.h"
#include "tools/zumastor/config/troubles.h"

#include <unistd.h>

#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/replication/peer_session.h"

namespace zumastor {
namespace {

// What a session did, once the peer has ended, too.
template <class Session>
SessionEnd with_peer(Peer& peer, const Session& session)
{
    return in_session(peer, "the next cycle resumes here", [&](Pipes pipes) {
        SessionEnd end = session(pipes);
        const int status = peer.finish();
        if (status == static_cast<int>(Exit::partly)) { // what was to be sent is there
            end.troubles.push_back(peer.host() +
                                   ": something failed there after the transfer; see its message above");
        } else if (status != 0) {
            throw ended_with(peer, status);
        }
        return end;
    });
}

std::vector<std::string> remote_words(const char* verb, const std::string& volume,
                                      const CycleOptions& options)
{
    std::vector<std::string> words{"zumastor", verb, volume, "--session", "--quiet"};
    if (std::string(verb) == "send") {
        if (options.full) {
            words.emplace_back("--full");
        }
        if (options.snapshot) {
            words.insert(words.end(), {"--snapnum", *options.snapshot});
        }
    }
    return words;
}

// Both return the length of what was sent.
std::uint64_t push(Volume& volume, const Target& target, CycleOptions cycle, Troubles& troubles)
{
    cycle.full = cycle.full || target.full;
    const stream::SendOptions options = limited({}, target);
    const std::string remote = target.volume.empty() ? volume.config().name : target.volume;
    std::uint64_t bytes = 0;
    for (bool more = true; more;) {
        Peer peer(target.host, target.ssh_user, remote_words("receive", remote, cycle));
        const SessionEnd end = with_peer(peer, [&](Pipes pipes) {
            EarlySnapshot early(volume, target.host, remote, !cycle.snapshot);
            return send_session(volume, cycle, options, target.host, pipes, &early);
        });
        bytes += end.bytes;
        troubles.insert(troubles.end(), end.troubles.begin(), end.troubles.end());
        more = end.more;
    }
    return bytes;
}

std::uint64_t pull(Volume& volume, const CycleOptions& cycle, Troubles& troubles)
{
    const SourceRole& source = *volume.config().source;
    const std::string remote = source.volume.empty() ? volume.config().name : source.volume;
    std::uint64_t bytes = 0;
    for (bool more = true; more;) {
        Peer peer(source.host, source.ssh_user, remote_words("send", remote, cycle));
        const SessionEnd end =
            with_peer(peer, [&](Pipes pipes) { return receive_session(volume, cycle.shown, pipes); });
        bytes += end.bytes;
        troubles.insert(troubles.end(), end.troubles.begin(), end.troubles.end());
        more = end.more;
    }
    return bytes;
}

// For a log: one line instead of what a terminal, or a program, is told.
bool wants_a_line(const ProgressOptions& shown)
{
    return !shown.quiet && !shown.json && ::isatty(STDERR_FILENO) == 0;
}

void one_cycle(Volume& volume, const HostName& host, const CycleOptions& options, bool tell,
               Troubles& troubles)
{
    std::uint64_t bytes = 0;
    const CycleRecord done = run_cycle(volume, host, troubles, [&](Troubles& own) {
        bytes = host.empty() ? pull(volume, options, own)
                             : push(volume, *find_target(volume.config(), host), options, own);
    });
    if (tell) {
        note(describe_cycle(volume, host, done, bytes));
    }
}

} // namespace

std::vector<HostName> cycles_asked_for(const Volume& volume, const std::optional<HostName>& host)
{
    const VolumeConfig& config = volume.config();
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

Exit run_cycles(const std::string& volume_name, const std::optional<HostName>& host,
                const CycleOptions& options)
{
    Volume volume(load_config(volume_name));
    const std::vector<HostName> hosts = cycles_asked_for(volume, host);
    const bool tell = wants_a_line(options.shown);
    CycleOptions quiet = options;
    quiet.shown.quiet = quiet.shown.quiet || tell; // all of it is in the line
    Troubles troubles;
    Exit first = Exit::ok;
    std::size_t failed = 0;
    for (const HostName& one : hosts) {
        try {
            one_cycle(volume, one, quiet, tell, troubles);
        } catch (const Failure& failure) {
            if (hosts.size() == 1 || failure.code() == Exit::interrupted) {
                throw;
            }
            first = failed++ == 0 ? failure.code() : first;
            troubles.push_back(one + ": " + failure.what() +
                               (failure.next().empty() ? "" : "; " + failure.next()));
        }
    }
    const Exit partly = conclude(troubles);
    return failed == hosts.size() ? first : partly;
}

} // namespace zumastor
