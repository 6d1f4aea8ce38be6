// SPDX-License-Identifier: GPL-2.0
// A filesystem frozen around a snapshot.
//
// A frozen filesystem must be thawed whatever happens, and who writes to it sleeps until then, not to be
// killed. So a guardian process of its own freezes it, and thaws it when it is told to, when its parent
// ends in any way, or when the time is up. It flushes the filesystem before, while everybody writes on, so
// that freezing takes a moment; and it holds nothing else of its parent's, no lock above all, as it cannot be
// ended while a device is stalled. Should the guardian be killed, the parent thaws. Invariant: as long as one
// of the two lives, the filesystem does not stay frozen longer than the limit.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "ddsnapd/disk/unique_fd.h"

namespace zumastor {

class Freeze {
public:
    using Milliseconds = std::chrono::milliseconds;

    // Returns when the filesystem at `mount_point`, on `device`, is frozen, or if it cannot freeze at all
    // (then it is flushed, and says so). Already frozen by somebody else: left to them. Throws if it takes
    // longer than `limit`, or no write to the device comes to its end for so long before, while it is
    // flushed.
    Freeze(std::string mount_point, dev_t device, Milliseconds limit);
    ~Freeze(); // thaws
    Freeze(const Freeze&) = delete;
    Freeze& operator=(const Freeze&) = delete;

    // Thaws. False if the filesystem was thawed before, because the time was up or the guardian was killed:
    // what happened meanwhile did not happen on a frozen filesystem.
    bool thaw();

private:
    enum class Word : char {
        synced = 'S',
        unsynced = 'U',
        frozen = 'F',
        refused = 'R',
        thawed = 'T',
        late = 'L',
        ended = 0
    };

    [[noreturn]] void guard(int order, int answer, Milliseconds limit) const;
    Word hear(Milliseconds limit);
    void wait_flushed(dev_t device, Milliseconds limit);
    void begin(dev_t device, Milliseconds limit);
    void refused();

    std::string mount_point_;
    ddsnap::UniqueFd directory_;
    ddsnap::UniqueFd order_; // closing it tells the guardian to thaw
    ddsnap::UniqueFd answer_;
    pid_t guardian_ = -1;
    bool frozen_ = false; // by us
};

} // namespace zumastor
