// SPDX-License-Identifier: GPL-2.0
// zumastor import: from a configuration of version 0.8 to commands of today.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/common/known.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/old_volumes.h"

namespace zumastor {

namespace fs = std::filesystem;

// Printed, not executed: making the stores anew ends the old ones' snapshots, and the administrator is to see
// it before it happens.
Exit import_old(const Args& args)
{
    const std::string top = args.get("DIR").value_or("/var/lib/zumastor/volumes");
    std::vector<std::string> directories;
    const auto entries = entries_of(top).need();
    if (!entries) {
        throw Failure(Exit::not_found, top + " is not there",
                      "name the directory where zumastor 0.8 kept its volumes");
    }
    for (const fs::path& entry : *entries) {
        const auto found = look_at(entry.string()).need();
        if (found && S_ISDIR(found->st_mode)) {
            directories.push_back(entry.string());
        }
    }
    std::sort(directories.begin(), directories.end());
    std::printf(
        "# What zumastor 0.8 had in %s. Read it, stop 0.8 (zumastor stop volume VOL there, or a reboot\n"
        "# without its init script), then execute it: sh -e THIS-FILE. Data on the origins are kept. The\n"
        "# snapshots in the old stores are not: their format is not read any more.\n",
        top.c_str());
    Troubles troubles;
    for (const std::string& directory : directories) {
        try {
            for (const std::string& line : commands_for_old_volume(directory, args.has("--yes"))) {
                std::printf("%s\n", line.c_str());
            }
        } catch (const Failure& failure) {
            troubles.push_back(failure.what() + (failure.next().empty() ? "" : "; " + failure.next()));
        }
    }
    if (directories.empty()) {
        throw Failure(Exit::not_found, top + " holds no volumes",
                      "name the directory where zumastor 0.8 kept its volumes");
    }
    return conclude(troubles);
}

} // namespace zumastor
