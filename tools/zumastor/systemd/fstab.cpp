// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/systemd/fstab.h"

#include <cerrno>
#include <memory>

#include <libmount.h>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/host/device_claims.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
namespace {

using Table = std::unique_ptr<libmnt_table, void (*)(libmnt_table*)>;
using Cache = std::unique_ptr<libmnt_cache, void (*)(libmnt_cache*)>;

std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

bool waits_for(const VolumeConfig& config, libmnt_fs* line)
{
    const std::string wanted = "x-systemd.requires=" + volume_unit(config.name);
    for (const std::string& option : split(text_or_empty(mnt_fs_get_options(line)), ',')) {
        if (option == wanted) {
            return true;
        }
    }
    return false;
}

// Empty: it is none of this volume's, or right.
std::string fault_of(const VolumeConfig& config, bool links_hidden, libmnt_fs* line, libmnt_cache* cache)
{
    const std::string source = text_or_empty(mnt_fs_get_source(line));
    if (source.starts_with('/')) {
        return same_device(source, config.origin) ? "it names the disk itself, not the volume" : "";
    }
    const char* tag = nullptr;
    if (links_hidden || mnt_fs_get_tag(line, &tag, nullptr) != 0) { // no tag: nfs, tmpfs and the like
        return {};
    }
    const std::string found = text_or_empty(mnt_resolve_spec(source.c_str(), cache));
    // While the volume is up, its filesystem is found on it.
    const bool ours =
        same_device(found, config.origin) || same_device(found, Paths(config.name).origin_device);
    return ours && !waits_for(config, line) ? "while the volume is stopped, it names the disk itself" : "";
}

} // namespace

std::vector<RawLine> raw_lines(const VolumeConfig& config, bool links_hidden, const std::string& file)
{
    if (!look_at(file).need()) {
        return {};
    }
    const Table table(mnt_new_table(), mnt_unref_table);
    const Cache cache(mnt_new_cache(), mnt_unref_cache);
    const std::unique_ptr<libmnt_iter, void (*)(libmnt_iter*)> at(mnt_new_iter(MNT_ITER_FORWARD),
                                                                  mnt_free_iter);
    if (!table || !cache || !at) {
        throw std::bad_alloc();
    }
    if (const int result = mnt_table_parse_file(table.get(), file.c_str()); result < 0) {
        errno = -result;
        throw errno_failure(file + " cannot be read");
    }
    std::vector<RawLine> found;
    libmnt_fs* line = nullptr;
    while (mnt_table_next_fs(table.get(), at.get(), &line) == 0) {
        if (std::string why = fault_of(config, links_hidden, line, cache.get()); !why.empty()) {
            found.push_back({text_or_empty(mnt_fs_get_source(line)), text_or_empty(mnt_fs_get_target(line)),
                             std::move(why)});
        }
    }
    return found;
}

std::vector<RawLine> raw_lines_here(const VolumeConfig& config)
{
    return raw_lines(config, systemd_runs() && has_generator("/"));
}

std::string describe(const RawLine& line)
{
    return "/etc/fstab has " + line.source + (line.target == "none" ? "" : " at " + line.target) + ": " +
           line.why;
}

std::string remedy(const VolumeConfig& config, const RawLine& line)
{
    const std::string volume = Paths(config.name).origin_device;
    return "remove the line (define master mounts the volume), or change it to: " + volume + " " +
           line.target + " … nofail,x-systemd.requires=" + volume_unit(config.name);
}

} // namespace zumastor
