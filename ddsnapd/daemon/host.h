// SPDX-License-Identifier: GPL-2.0
// What the daemon asks of the host: its boot id, who is at the other end of a socket, whether a recorded
// client is still there.
#pragma once

#include <optional>

#include <sys/types.h>

#include "ddsnapd/service/service_types.h"
#include "kernel/ddsnap-protocol.h"

namespace ddsnap::daemon {

struct Host {
    snapstore::Uuid boot{};
};

Host read_host();

// Start time of a process in clock ticks since boot; none if there is no such process.
std::optional<std::uint64_t> start_time_of(std::uint32_t pid);

struct PeerCheck {
    bool allowed = false; // root or the daemon's own user
    uid_t uid = 0;
    Peer peer;
};
PeerCheck check_peer(int socket, const Host& host);

class HostProbe final : public ClientProbe {
public:
    // origin_device: st_rdev of the origin; 0 if it is a file.
    HostProbe(const Host& host, std::uint64_t origin_device) noexcept
        : host_(host), origin_device_(origin_device)
    {}
    bool proven_gone(const snapstore::Attachment& attachment) noexcept override;

private:
    bool device_gone(const snapstore::Attachment& attachment) const;

    const Host host_;
    const std::uint64_t origin_device_;
};

} // namespace ddsnap::daemon
