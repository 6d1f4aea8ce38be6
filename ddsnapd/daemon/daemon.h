// SPDX-License-Identifier: GPL-2.0
// ddsnapd: puts disks, store, service and sockets together and runs the loop.
//
// One turn of the loop: handlers that are ready (bytes from devices, completions of disks, commands,
// ticks) run; then what they have asked of the disks is submitted in one batch, and what they have to say
// is sent in one send a connection.
#pragma once

#include "ddsnapd/daemon/options.h"
#include "ddsnapd/daemon/process.h"

namespace ddsnap::daemon {

// Runs until SIGTERM, SIGINT or `shutdown`. Returns the exit status: kTryAgain if it could not start for now.
int run_daemon(const Options& options, Detached& parent);

} // namespace ddsnap::daemon
