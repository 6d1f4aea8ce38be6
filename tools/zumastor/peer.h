// SPDX-License-Identifier: GPL-2.0
// zumastor on another host, through ssh: whatever the user's ssh_config says counts. Its messages go to our
// stderr. For another volume of this host ("localhost", without a port) it is started directly.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnapd/client/unique_fd.h"

namespace zumastor {

inline const std::string kThisHost = "localhost";

bool needs_ssh(const std::string& host, std::uint64_t port);

class Peer {
public:
    // Starts ssh (or zumastor), which asks nothing: keys have to be set up. Throws Exit::missing if there is
    // no ssh.
    Peer(const std::string& host, std::uint64_t port, const std::vector<std::string>& words);
    ~Peer(); // ends ssh if it still runs
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    int to() const noexcept { return to_.get(); }
    int from() const noexcept { return from_.get(); }

    // Closes the pipes and waits. The remote command's exit status; 255 if there was no connection.
    int finish();

private:
    ddsnap::UniqueFd to_;
    ddsnap::UniqueFd from_;
    pid_t child_ = -1;
};

} // namespace zumastor
