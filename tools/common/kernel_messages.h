// SPDX-License-Identifier: GPL-2.0
// Why the kernel refused something: it says so in its log, where the system call and libraries have but a
// number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ddsnapd/disk/unique_fd.h"

namespace zumastor {

class KernelMessages {
public:
    KernelMessages(); // from now on

    // The messages since then that have one of `words` in them, as shown() makes them, the last few; empty:
    // none, or they may not be read.
    std::string since(const std::vector<std::string>& words) const;

private:
    ddsnap::UniqueFd log_;
};

// Of a record of /dev/kmsg ("6,339,5140900,-;text"), its text; empty if it is none, or a program's own.
std::string text_of_kernel_record(std::string_view record);

} // namespace zumastor
