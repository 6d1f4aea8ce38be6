// SPDX-License-Identifier: GPL-2.0
// The commands of ddsnap. Each is described in the file that has it.
#pragma once

#include <optional>
#include <string>

#include "ddsnapd/client/devices.h"
#include "tools/common/command_table.h"
#include "tools/common/daemon.h"
#include "tools/common/offline_store.h"

namespace zumastor::ddsnap {

// offline.cpp: on the devices themselves
extern const CommandSpec kInitialize;
extern const CommandSpec kAcceptOrigin;
extern const CommandSpec kDump;
extern const CommandSpec kCheck; // also asks a daemon, if given its socket

// online.cpp: through a daemon's server socket
extern const CommandSpec kCreate;
extern const CommandSpec kDelete;
extern const CommandSpec kList;
extern const CommandSpec kPriority;
extern const CommandSpec kUsecount;
extern const CommandSpec kResize;
extern const CommandSpec kStatus;
extern const CommandSpec kDeltaChangelist;

// delta.cpp: files
extern const CommandSpec kDeltaCreate;
extern const CommandSpec kDeltaApply;
// delta_net.cpp: connections
extern const CommandSpec kDeltaListen;
extern const CommandSpec kTransmit;

// revert.cpp: through the origin's device
extern const CommandSpec kRevert;

// server.cpp
extern const CommandSpec kServer;
extern const CommandSpec kAgent;

// ---- what several of them are given ----

struct Devices {
    std::string store;
    std::string origin;
    std::optional<std::string> meta;
};

struct OfDaemon {
    std::string socket;
};

struct Level {
    std::optional<std::string> level;
};
inline constexpr auto kLevelOption =
    value<&Level::level>("-g,--level", "LEVEL", "compress: 0 not at all, 1 … 19 (3)");

// online.cpp: how to read snapshots through a daemon; `who` is shown in its list of clients.
::ddsnap::client::DeviceOptions reader_options(Daemon& daemon, const std::string& who);
// Throws Exit::usage.
std::uint64_t snapshot_number(const std::string& text);

} // namespace zumastor::ddsnap
