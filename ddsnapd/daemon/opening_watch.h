// SPDX-License-Identifier: GPL-2.0
// What systemd is told while the store is being opened, which takes as long as its metadata take to be read:
// that it is to wait for longer, as often as something has been read. So a large store opens in its own time,
// and a disk that does not answer ends the start when the unit's limit has passed. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace ddsnap::daemon {

class OpeningWatch {
public:
    static constexpr std::uint64_t kPatience_us =
        120'000'000; // without progress; TimeoutStartSec= of the unit

    // `bytes`: what the disks have moved so far. For sd_notify(); empty if there is nothing to tell.
    std::string look(std::uint64_t bytes);

private:
    std::uint64_t told_ = 0;
    bool began_ = false;
};

} // namespace ddsnap::daemon
