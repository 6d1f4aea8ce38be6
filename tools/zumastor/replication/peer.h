// SPDX-License-Identifier: GPL-2.0
// zumastor on another host, through ssh: whatever the user's ssh_config says counts. Its messages go to our
// stderr, line by line and as shown() makes them: they are another host's. For another volume of this host
// ("localhost", without a user or port) it is started directly.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/host_name.h"

namespace zumastor {

class Peer {
public:
    // Starts ssh (or zumastor), which asks nothing: keys have to be set up. Throws Exit::missing if there is
    // no ssh. The volume's lock must not be held (tools/common/held_locks.h).
    // `ssh_user`: the account that ssh runs as, so that a hostile server meets a client without privileges;
    // with its home's keys and configuration, and without this command's environment. Empty: as this command.
    Peer(const HostName& host, const LoginName& ssh_user, const std::vector<std::string>& words);
    ~Peer(); // ends ssh if it still runs
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    int to() const noexcept { return to_.get(); }
    int from() const noexcept { return from_.get(); }

    // Closes the pipes and waits. The remote command's exit status; 255 if there was no connection.
    int finish();

    // After the connection broke: what was said that nobody has read. A shell that prints something and ends
    // is known by that. Waits a few seconds at most.
    std::string rest() const;
    std::string last_message() const; // the last line of its stderr; after finish()

    const HostName& host() const noexcept { return host_; }
    const LoginName& ssh_user() const noexcept { return ssh_user_; }

private:
    class Messages;
    HostName host_;
    LoginName ssh_user_;
    ddsnap::UniqueFd to_;
    ddsnap::UniqueFd from_;
    pid_t child_ = -1;
    std::unique_ptr<Messages> messages_;
};

// Throws Exit::usage unless ssh can be run as that account for that host; empty: it need not.
void check_ssh_user(const HostName& host, const LoginName& ssh_user);

// Ends the peer, whose connection has broken, and throws what that means, with what it said.
[[noreturn]] void throw_broken(Peer& peer, const std::string& error, const std::string& next);

} // namespace zumastor
