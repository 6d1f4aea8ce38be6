// SPDX-License-Identifier: GPL-2.0
// Where deltas are taken unless an address is given: a Unix socket that only root, or who listens, can reach.
#pragma once

#include <string>

#include "ddsnapd/daemon/listener.h"
#include "ddsnapd/disk/unique_fd.h"

namespace zumastor::ddsnap {

inline const std::string kDeltaSocket = "/run/ddsnap-delta.sock";

class DeltaSocket {
public:
    // Mode 0600, in a directory that others cannot write to, else it is refused. What a listener that was
    // killed has left there is replaced. Throws Exit::busy if another one listens.
    explicit DeltaSocket(const std::string& path);
    int fd() const noexcept { return fd_.get(); }

private:
    ::ddsnap::UniqueFd lock_; // asks nobody: a connection to a listener for one would be its only one
    ::ddsnap::daemon::SocketFile file_;
    ::ddsnap::UniqueFd fd_;
};

// `set_up` is told the socket before it is connected. Throws Exit::peer_unreachable if nobody listens there.
::ddsnap::UniqueFd connect_to_socket(const std::string& path, void (*set_up)(int));

} // namespace zumastor::ddsnap
