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
    std::printf("# The volumes of zumastor 0.8 in %s. Read this file, stop version 0.8 (its "
                "own zumastor stop volume\n"
                "# VOL, or a reboot without its init script), then execute the file: sh -e "
                "THIS-FILE. The origins keep\n"
                "# their content. The snapshots in the old stores are lost: this version "
                "cannot read them.\n",
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
    "-y,--yes", "add --yes to the commands: they overwrite the old stores without asking"));

} // namespace

constexpr CommandSpec kImport = command<import_old>(
    "import", arguments<&Import::dir>("[DIR]"),
    "Print commands that define the volumes of zumastor 0.8 for this version.", kImportOptions,
    Page{"Reads what zumastor 0.8 kept in DIR (/var/lib/zumastor/volumes) and prints a "
         "script. Nothing is changed. The snapshots in the old stores are not taken "
         "over.",
         "$ zumastor import >volumes.sh\n"
         "$ sh -e volumes.sh"});

} // namespace zumastor
