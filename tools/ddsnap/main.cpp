// SPDX-License-Identifier: GPL-2.0
// ddsnap: the layer below zumastor, for init scripts that use dmsetup themselves.
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/ddsnap/commands.h"

namespace zumastor::ddsnap {
namespace {

constexpr std::array kInitialize{
    OptionSpec{"-y,--yes", "", "do not ask before other data on SNAPDEV is destroyed"},
    OptionSpec{"-j,--journalsize", "SIZE", "size of the journal (chosen from the store's size)"},
    OptionSpec{"-b,--blocksize", "SIZE", "size of metadata blocks: 4k"},
    OptionSpec{"-c,--chunksize", "SIZE", "unit of copying: 4k … 1m, a power of two (16k)"},
};
constexpr std::array kAccept{
    OptionSpec{"-y,--yes", "", "do not ask"},
    OptionSpec{"--keep-snapshots", "", "they show what this origin holds where they shared chunks"},
};
constexpr std::array kServer{
    OptionSpec{"-f,--foreground", "", "do not detach"},
    OptionSpec{"-l,--logfile", "LOG", "where to log"},
    OptionSpec{"-p,--pidfile", "PIDFILE", "where to write the process id"},
    OptionSpec{"-k,--cachesize", "SIZE", "memory for metadata"},
    OptionSpec{"-w,--warn-at", "PERCENT,...",
               "warn in the log when the store is so full (80,90,95); 0: never"},
    OptionSpec{"-s,--snapshot-first", "",
               "a store that is full or fails: writes fail, no snapshot is given up"},
};
constexpr std::array kAgent{
    OptionSpec{"-f,--foreground", "", "accepted for old scripts"},
    OptionSpec{"-l,--logfile", "LOG", "accepted for old scripts"},
    OptionSpec{"-p,--pidfile", "PIDFILE", "accepted for old scripts"},
};
constexpr std::array kCheck{
    OptionSpec{"-d,--data", "", "read all data too and compare it with its checksums"},
};
constexpr std::array kResize{
    OptionSpec{"-o,--origin", "SIZE",
               "of the origin: reload a smaller device's table before, a larger one's after"},
    OptionSpec{"-s,--snapshot", "SIZE",
               "how much of SNAPDEV is used; for less, make the device smaller afterwards"},
    OptionSpec{"-m,--metadata", "SIZE",
               "how much of the metadata device is used; for less, make the device smaller afterwards"},
};
constexpr std::array kStatus{
    OptionSpec{"-l,--list", "", "only the snapshots' numbers, oldest first"},
    OptionSpec{"--last", "", "only the newest snapshot's number"},
    OptionSpec{"-s,--size", "", "only the size in sectors: the origin's, or the snapshot's"},
    OptionSpec{"-S,--state", "", "by exit code: 0 normal, 1 absent, 2 squashed, 9 error"},
    OptionSpec{"-v,--verbose", "", "clients and counters too"},
};

#define DDSNAP_LEVEL                                                                                         \
    OptionSpec { "-g,--level", "LEVEL", "compress: 0 not at all, 1 … 19 (3)" }
constexpr std::array kDeltaCreate{DDSNAP_LEVEL};
constexpr std::array kDeltaListen{
    OptionSpec{"--once", "", "end after one connection, with its exit code"},
};
constexpr std::array kTransmit{
    OptionSpec{"-p,--progress", "FILE", "keep a line in FILE that says how far it is"},
    OptionSpec{"-s,--source", "ADDR", "connect from this address of the host"},
    OptionSpec{"-l,--ratelimit", "SIZE", "at most so many bytes a second"},
    DDSNAP_LEVEL,
};

constexpr std::array kCommands{
    CommandSpec{"initialize", "SNAPDEV ORIGDEV [METADEV]", "Make a new, empty snapshot store.", kInitialize,
                initialize},
    CommandSpec{"server", "SNAPDEV ORIGDEV [METADEV] AGENTSOCK SERVERSOCK",
                "Run ddsnapd; it detaches when both sockets accept.", kServer, server},
    CommandSpec{"agent", "AGENTSOCK", "For old scripts: the server owns this socket now.", kAgent, agent},
    CommandSpec{"create", "SERVERSOCK SNAP", "Take a snapshot with a number of your choice.", {}, create},
    CommandSpec{"delete", "SERVERSOCK SNAP", "Delete a snapshot.", {}, remove},
    CommandSpec{"revert",
                "SERVERSOCK SNAP",
                "Make the origin what a snapshot holds, through its device, which nobody uses.",
                {},
                revert},
    CommandSpec{"list", "SERVERSOCK", "List the snapshots, oldest first.", {}, list},
    CommandSpec{"priority",
                "SERVERSOCK SNAP N",
                "Set what is given up last when the store is full (-128 … 127; 127: never).",
                {},
                priority},
    CommandSpec{
        "usecount", "SERVERSOCK SNAP [DIFF]", "Change (+1, -1) and print the use count.", {}, usecount},
    CommandSpec{"resize", "SERVERSOCK", "Change the size of the origin or the snapshot store.", kResize,
                resize},
    CommandSpec{"status", "SERVERSOCK [SNAP]", "Show store and snapshots.", kStatus, status},
    CommandSpec{"delta changelist",
                "SERVERSOCK FILE S1 S2",
                "Write to FILE which chunks may differ between two snapshots, the older one first.",
                {},
                delta_changelist},
    CommandSpec{"delta create", "CHANGELIST DELTA DEVSTEM",
                "Make a delta of a change list, with what DEVSTEM@S2 holds.", kDeltaCreate, delta_create},
    CommandSpec{"delta apply",
                "DELTA DEVSTEM",
                "Write a delta to the device DEVSTEM, which must hold snapshot S1.",
                {},
                delta_apply},
    CommandSpec{"delta listen", "DEVSTEM [ADDRESS]",
                "Take deltas from connections to a socket (/run/ddsnap-delta.sock), or to HOST[:PORT], "
                "unauthenticated.",
                kDeltaListen, delta_listen},
    CommandSpec{
        "transmit", "SERVERSOCK HOST [FROM] TO",
        "Send a snapshot, or what changed since FROM, to a listener at HOST[:PORT], or at a socket's path.",
        kTransmit, transmit},
    CommandSpec{"accept-origin", "SNAPDEV ORIGDEV [METADEV]",
                "A store's origin is another one, restored for example, and this is meant.", kAccept,
                accept_other_origin},
    CommandSpec{
        "dump", "SNAPDEV ORIGDEV [METADEV]", "Print the metadata of a store that is not in use.", {}, dump},
    CommandSpec{"check", "SNAPDEV_OR_SERVERSOCK [ORIGDEV] [METADEV]",
                "Check a store completely: offline, or through the daemon that has it.", kCheck, check},
};

constexpr ToolSpec kTool{"ddsnap", "The snapshot layer below zumastor: one daemon, one store.", kCommands};

} // namespace

Exit server(const Args& args)
{
    std::vector<std::string> words{find_daemon()};
    if (args.has("--foreground")) {
        words.emplace_back("-f");
    }
    if (args.has("--snapshot-first")) {
        words.emplace_back("-s");
    }
    for (const auto& [key, letter] :
         {std::pair{"--logfile", "-l"}, {"--pidfile", "-p"}, {"--cachesize", "-k"}, {"--warn-at", "-w"}}) {
        if (const auto value = args.get(key)) {
            words.emplace_back(letter);
            words.push_back(*value);
        }
    }
    for (const char* name : {"SNAPDEV", "ORIGDEV", "METADEV", "AGENTSOCK", "SERVERSOCK"}) {
        if (const auto value = args.get(name)) {
            words.push_back(*value);
        }
    }
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    throw errno_failure(words[0], Exit::missing);
}

Exit agent(const Args& args)
{
    const std::string socket = args.need("AGENTSOCK");
    if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
        throw Failure(Exit::usage, "socket path is longer than 107 bytes: " + socket);
    }
    const std::filesystem::path directory = std::filesystem::absolute(socket).parent_path();
    if (const auto found = look_at(directory).need(); !found || !S_ISDIR(found->st_mode)) {
        throw Failure(Exit::not_found, socket + ": there is no directory " + directory.string());
    }
    if (const auto found = look_at(socket).need(); found && !S_ISSOCK(found->st_mode)) {
        throw Failure(Exit::usage, socket + ": exists and is no socket");
    }
    note("nothing to do: the server itself listens on " + socket + " now");
    return Exit::ok;
}

} // namespace zumastor::ddsnap

int main(int argc, char** argv) { return zumastor::run_tool(zumastor::ddsnap::kTool, argc, argv); }
