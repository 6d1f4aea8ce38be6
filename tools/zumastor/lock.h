// SPDX-License-Identifier: GPL-2.0
// One command at a time on a volume.
#pragma once

#include <string>

#include "ddsnapd/client/unique_fd.h"

namespace zumastor {

class VolumeLock {
public:
    // Waits for another command on the volume to end; throws Exit::busy, naming it, if that takes too long.
    explicit VolumeLock(const std::string& volume);

private:
    ddsnap::UniqueFd file_;
};

} // namespace zumastor
