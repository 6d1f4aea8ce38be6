// SPDX-License-Identifier: GPL-2.0
// zumastor ssh-gate: the forced command of an ssh key. The key can then take part in sessions of the volumes
// named here, in the direction named here, and do nothing else.
#include "tools/zumastor/replication/ssh_gate.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "tools/common/border.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"

namespace zumastor {
namespace {

[[noreturn]] void deny(const std::string& asked)
{
    throw Failure(Exit::usage, "this key may not run: " + (asked.empty() ? "a shell" : asked),
                  "it is for: zumastor replicate, zumastor verify");
}

// A snapshot as its source knows it: a number, UUID, link or name; all of them could be a name.
bool may_name_snapshot(const std::string& word)
{
    const auto name = SnapshotName::from(word);
    return name && !name->empty();
}

// The options that a session may come with; --snapnum has a value.
bool good_options(const std::vector<std::string>& words, bool sends)
{
    bool session = false;
    for (std::size_t i = 3; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        if (words[i] == "--session") {
            session = true;
        } else if (sends && words[i] == "--snapnum" && has_value && may_name_snapshot(words[i + 1])) {
            ++i;
        } else if (words[i] != "--quiet" && !(sends && words[i] == "--full")) {
            return false;
        }
    }
    return session;
}

// verify: whoever has one of the rights may compare. Repairing a replica needs the right to send to it;
// being sent what repairs another one, the right to fetch.
bool may_verify(const std::vector<std::string>& words, bool may_send, bool may_receive)
{
    bool session = false;
    bool repair = false;
    std::string side;
    for (std::size_t i = 3; i < words.size(); ++i) {
        if (words[i] == "--as" && i + 1 < words.size()) {
            side = words[++i];
        } else if (words[i] == "--session") {
            session = true;
        } else if (words[i] == "--repair") {
            repair = true;
        } else if (words[i] != "--quiet") {
            return false;
        }
    }
    return session &&
           ((side == "replica" && (may_receive || !repair)) || (side == "upstream" && (may_send || !repair)));
}

} // namespace

bool gate_allows(const GateRights& rights, const std::vector<std::string>& words)
{
    if (words.size() < 4 || words[0] != "zumastor" ||
        std::find(rights.volumes.begin(), rights.volumes.end(), words[2]) == rights.volumes.end()) {
        return false;
    }
    const bool sends = words[1] == "send" && rights.send;
    const bool receives = words[1] == "receive" && rights.receive;
    return words[1] == "verify" ? may_verify(words, rights.send, rights.receive)
                                : (sends || receives) && good_options(words, sends);
}

Exit ssh_gate(const Args& args)
{
    const char* asked = std::getenv("SSH_ORIGINAL_COMMAND");
    const std::string command = asked == nullptr ? "" : asked;
    const auto words = split_words(command);
    const GateRights rights{args.all("VOL"), args.has("--send"), args.has("--receive")};
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

} // namespace zumastor
