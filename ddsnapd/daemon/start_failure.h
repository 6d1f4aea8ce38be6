// SPDX-License-Identifier: GPL-2.0
// Why the daemon does not start, and whether another try may be worth it: whoever has started it starts it
// again then (ddsnapd@.service, by the exit status kTryAgain).
#pragma once

#include <sysexits.h>

#include <cerrno>
#include <string>

namespace ddsnap::daemon {

struct StartFailure {
    std::string message;
    bool for_now = false; // what is in the way goes by itself: the store is still in use, memory is short
};

inline constexpr int kTryAgain = EX_TEMPFAIL;

inline bool is_shortage(int error)
{
    return error == ENOMEM || error == EAGAIN || error == ENOBUFS || error == ENFILE || error == EMFILE;
}

} // namespace ddsnap::daemon
