// SPDX-License-Identifier: GPL-2.0
// The commands of ddsnap; the table in main.cpp leads to them.
#pragma once

#include <string>

#include "ddsnapd/client/devices.h"
#include "tools/common/command_line.h"
#include "tools/common/daemon.h"

namespace zumastor::ddsnap {

// offline.cpp: on the devices themselves
Exit initialize(const Args& args);
Exit accept_other_origin(const Args& args);
Exit dump(const Args& args);
Exit check(const Args& args); // also asks a daemon, if given its socket

// online.cpp: through a daemon's server socket
Exit create(const Args& args);
Exit remove(const Args& args);
Exit list(const Args& args);
Exit priority(const Args& args);
Exit usecount(const Args& args);
Exit resize(const Args& args);
Exit status(const Args& args);
Exit delta_changelist(const Args& args);

// delta.cpp: files
Exit delta_create(const Args& args);
Exit delta_apply(const Args& args);
// delta_net.cpp: connections
Exit delta_listen(const Args& args);
Exit transmit(const Args& args);

// revert.cpp: through the origin's device
Exit revert(const Args& args);

// main.cpp
Exit server(const Args& args);
Exit agent(const Args& args);

// online.cpp: how to read snapshots through a daemon; `who` is shown in its list of clients.
::ddsnap::client::DeviceOptions reader_options(Daemon& daemon, const std::string& who);

} // namespace zumastor::ddsnap
