// SPDX-License-Identifier: GPL-2.0
// One command at a time on a volume. What may be waited for with which lock: tools/common/held_locks.h.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/held_locks.h"
#include "tools/common/known.h"

namespace zumastor {

class VolumeLock {
public:
    // Waits for another command on the volume to end; throws Exit::busy, naming it, if that takes too long.
    explicit VolumeLock(const std::string& volume);
    // Beside it, for what takes long and leaves the volume usable: a stream of `purpose` ("receive",
    // "send to HOST"). Does not wait: throws Exit::busy if there is one.
    VolumeLock(const std::string& volume, const std::string& purpose);

    // The process that has the second kind. Takes nothing, disturbs nobody.
    static Known<int> ask_holder(const std::string& volume, const std::string& purpose);
    static std::optional<int> holder(const std::string& volume,
                                     const std::string& purpose); // throws if unknown

private:
    void take(const std::string& volume, const std::string& path, std::chrono::seconds patience);

    ddsnap::UniqueFd file_;
    std::optional<HeldLock> held_;
};

} // namespace zumastor
