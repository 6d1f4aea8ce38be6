// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/opening_watch.h"

namespace ddsnap::daemon {

std::string OpeningWatch::look(std::uint64_t bytes)
{
    if (began_ && bytes == told_) {
        return {};
    }
    began_ = true;
    told_ = bytes;
    return "EXTEND_TIMEOUT_USEC=" + std::to_string(kPatience_us) +
           "\nSTATUS=Opening the snapshot store: " + std::to_string(bytes >> 20) + " MiB read";
}

} // namespace ddsnap::daemon
