// SPDX-License-Identifier: GPL-2.0
// zumastor ssh-gate: the forced command of an ssh key. The key can then take part in sessions of the volumes
// named here, in the direction named here, and do nothing else.
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/replication/ssh_gate.h"

namespace zumastor {
namespace {

struct Gate {
    std::vector<std::string> volumes;
    bool send = false;
    bool receive = false;
};

[[noreturn]] void deny(const std::string& asked)
{
    throw Failure(Exit::usage, "this key may not run: " + (asked.empty() ? "a shell" : asked),
                  "the key is only for zumastor replicate and zumastor verify");
}

Exit ssh_gate(const Gate& given)
{
    const char* asked = std::getenv("SSH_ORIGINAL_COMMAND");
    const std::string command = asked == nullptr ? "" : asked;
    const auto words = split_words(command);
    const GateRights rights{given.volumes, given.send, given.receive};
    if (!rights.send && !rights.receive) {
        throw Failure(Exit::usage, "ssh-gate: give --send, --receive or both");
    }
    if (!words || !gate_allows(rights, *words)) {
        deny(command);
    }
    // In a process of its own name, and with nothing of the environment that it was begun in: what the holder
    // of the key may set there, by sshd's AcceptEnv or a login, is nothing to a command of root's.
    std::vector<std::string> copy = *words;
    std::vector<char*> argv;
    argv.reserve(copy.size() + 1);
    for (std::string& word : copy) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const std::array<char*, 2> environment{path.data(), nullptr};
    ::execve("/proc/self/exe", argv.data(), environment.data());
    throw errno_failure("cannot run zumastor");
}

constexpr auto kGateOptions =
    option_table<Gate>(flag<&Gate::send>("--send", "the key may fetch snapshots of these volumes"),
                       flag<&Gate::receive>("--receive", "the key may send snapshots to these volumes"));

} // namespace

constexpr CommandSpec kGate =
    command<ssh_gate>("ssh-gate", arguments<&Gate::volumes>("VOL..."),
                      "The forced command of a key that is for replication only.", kGateOptions,
                      Page{"For the command= of a key in authorized_keys. The key can take part in "
                           "replication of the volumes named here, in the directions named here, and do "
                           "nothing else.",
                           "$ zumastor ssh-gate data --receive"});

} // namespace zumastor
