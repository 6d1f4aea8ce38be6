// SPDX-License-Identifier: GPL-2.0
// Lines of /etc/fstab that would use the disk beneath a volume instead of the volume: whatever is written
// there while the volume is down, its snapshots do not notice.
#pragma once

#include <string>
#include <vector>

#include "tools/zumastor/config/config.h"

namespace zumastor {

struct RawLine {
    std::string source; // as it is written there: "/dev/sdb1", "UUID=…"
    std::string target;
    std::string why; // "names the disk itself"
};

// `file` is of the form of fstab(5). A line that names a filesystem (UUID=…, LABEL=…) is right if no such
// link leads to the disk (`links_hidden`: zumastor-generator's rules are there, docs/devices.md), or if it
// waits for the volume (x-systemd.requires=zumastor@VOL.service). Empty if the file is not there; throws if
// it cannot be read.
std::vector<RawLine> raw_lines(const VolumeConfig& config, bool links_hidden,
                               const std::string& file = "/etc/fstab");
// Of this host, as it is now.
std::vector<RawLine> raw_lines_here(const VolumeConfig& config);

// "/etc/fstab has /dev/sdb1 at /srv: it names the disk itself", and what to write instead.
std::string describe(const RawLine& line);
std::string remedy(const VolumeConfig& config, const RawLine& line);

} // namespace zumastor
