// SPDX-License-Identifier: GPL-2.0
// zumastor import: from a configuration of version 0.8 to commands of today.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/common/known.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/old_volumes.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/troubles.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

struct Import {
    std::optional<std::string> dir;
    bool yes = false;
};

// Printed, not executed: making the stores anew ends the old ones' snapshots, and the administrator is to see
// it before it happens.
Exit import_old(const Import& given)
{
    const std::string top = given.dir.value_or("/var/lib/zumastor/volumes");
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
            for (const std::string& line : commands_for_old_volume(directory, given.yes)) {
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

constexpr auto kImportOptions = option_table<Import>(flag<&Import::yes>(
    "-y,--yes", "write --yes into the commands: the old stores are overwritten without a question"));

} // namespace

constexpr CommandSpec kImport =
    command<import_old>("import", arguments<&Import::dir>("[DIR]"),
                        "Print the commands that define the volumes of zumastor 0.8 anew.", kImportOptions,
                        Page{"Reads what zumastor 0.8 kept in DIR (/var/lib/zumastor/volumes) and prints a "
                             "script. Nothing is changed. The snapshots in the old stores are not taken "
                             "over.",
                             "$ zumastor import >volumes.sh\n"
                             "$ sh -e volumes.sh"});

} // namespace zumastor
