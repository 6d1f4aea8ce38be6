// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/ssh_gate.h"

#include <algorithm>

#include "tools/common/border.h"

namespace zumastor {
namespace {

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

} // namespace zumastor
