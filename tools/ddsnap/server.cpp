// SPDX-License-Identifier: GPL-2.0
// ddsnap server, agent: what init scripts start.
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/ddsnap/commands.h"

namespace zumastor::ddsnap {
namespace {

struct Server : Devices {
    std::string agent;
    std::string socket;
    bool foreground = false;
    std::optional<std::string> logfile;
    std::optional<std::string> pidfile;
    std::optional<std::string> cachesize;
    std::optional<std::string> warn_at;
    bool snapshot_first = false;
};

struct Agent {
    std::string agent;
    bool foreground = false;
    std::optional<std::string> logfile;
    std::optional<std::string> pidfile;
};

Exit server(const Server& given)
{
    std::vector<std::string> words{find_daemon()};
    if (given.foreground) {
        words.emplace_back("-f");
    }
    if (given.snapshot_first) {
        words.emplace_back("-s");
    }
    for (const auto& [letter, value] : {std::pair{"-l", &given.logfile},
                                        {"-p", &given.pidfile},
                                        {"-k", &given.cachesize},
                                        {"-w", &given.warn_at}}) {
        if (*value) {
            words.emplace_back(letter);
            words.push_back(**value);
        }
    }
    words.insert(words.end(), {given.store, given.origin});
    if (given.meta) {
        words.push_back(*given.meta);
    }
    words.insert(words.end(), {given.agent, given.socket});
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    throw errno_failure(words[0], Exit::missing);
}

Exit agent(const Agent& given)
{
    const std::string socket = given.agent;
    if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
        throw Failure(Exit::usage, "socket path is longer than 107 bytes: " + socket);
    }
    const std::filesystem::path directory = std::filesystem::absolute(socket).parent_path();
    if (const auto found = look_at(directory).need(); !found || !S_ISDIR(found->st_mode)) {
        throw Failure(Exit::not_found, socket + ": there is no directory " + directory.string());
    }
    if (const auto found = look_at(socket).need(); found && !S_ISSOCK(found->st_mode)) {
        throw Failure(Exit::usage, socket + " exists and is not a socket");
    }
    note("nothing to do: the server itself listens on " + socket + " now");
    return Exit::ok;
}

constexpr auto kServerOptions = option_table<Server>(
    flag<&Server::foreground>("-f,--foreground", "do not detach"),
    value<&Server::logfile>("-l,--logfile", "LOG", "where to log"),
    value<&Server::pidfile>("-p,--pidfile", "PIDFILE", "where to write the process id"),
    value<&Server::cachesize>("-k,--cachesize", "SIZE", "memory for metadata"),
    value<&Server::warn_at>("-w,--warn-at", "PERCENT,...",
                            "warn in the log when the store is so full (80,90,95); 0: never"),
    flag<&Server::snapshot_first>("-s,--snapshot-first",
                                  "a store that is full or fails: writes fail, no snapshot is given up"));
constexpr auto kAgentOptions =
    option_table<Agent>(flag<&Agent::foreground>("-f,--foreground", "accepted for old scripts"),
                        value<&Agent::logfile>("-l,--logfile", "LOG", "accepted for old scripts"),
                        value<&Agent::pidfile>("-p,--pidfile", "PIDFILE", "accepted for old scripts"));

} // namespace

constexpr CommandSpec kServer = command<server>(
    "server",
    arguments<&Server::store, &Server::origin, &Server::meta, &Server::agent, &Server::socket>(
        "SNAPDEV ORIGDEV [METADEV] AGENTSOCK SERVERSOCK"),
    "Run ddsnapd; it detaches when both sockets accept.", kServerOptions,
    Page{"Executes ddsnapd(8). zumastor does it through systemd.",
         "$ ddsnap server /dev/sdc1 /dev/sdb1 /run/agent /run/server --logfile "
         "/var/log/ddsnap.log"});
constexpr CommandSpec kAgent =
    command<agent>("agent", arguments<&Agent::agent>("AGENTSOCK"),
                   "For old scripts: the server owns this socket now.", kAgentOptions,
                   Page{"Does nothing but check the socket's place: the server listens there by itself.",
                        "$ ddsnap agent /run/agent"});

} // namespace zumastor::ddsnap
