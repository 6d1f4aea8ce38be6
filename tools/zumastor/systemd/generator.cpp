// SPDX-License-Identifier: GPL-2.0
// zumastor-generator: systemd runs it early at boot, and whenever it reads its units again, with three
// directories. In the first of them it makes, of /etc/zumastor/*.toml, the timers that are asked for, wanted
// by timers.target; and has zumastor@VOL.service wanted by multi-user.target and by the devices of the
// volume: one that appears late brings it up when it appears. It tells udev, too, which disks are beneath
// volumes. A configuration that is not understood costs its own volume only.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/zumastor/host/raw_origin.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

void write_unit(const fs::path& path, const std::string& text)
{
    std::ofstream out(path, std::ios::binary);
    out << text;
    out.close();
    if (!out) {
        throw errno_failure("cannot write " + path.string());
    }
}

// Has `by` want the unit. systemd goes by the link's name.
void want(const fs::path& directory, const std::string& by, const std::string& unit, const std::string& file)
{
    const fs::path link = directory / (by + ".wants") / unit;
    fs::create_directories(link.parent_path());
    fs::remove(link);
    fs::create_symlink(fs::path("..") / file, link);
}

void add_drop_in(const fs::path& directory, const std::string& unit, const std::string& text)
{
    const fs::path place = directory / (unit + ".d");
    fs::create_directories(place);
    write_unit(place / "50-volume.conf", text);
}

void generate_volume(const VolumeConfig& config, const fs::path& directory)
{
    const std::string unit = volume_unit(config.name);
    std::vector<std::string> wanting = devices_of(config);
    if (!wanting.empty()) {
        add_drop_in(directory, unit, volume_drop_in(config));
    }
    wanting.push_back("multi-user.target");
    for (const std::string& by : wanting) {
        want(directory, by, unit, "zumastor@.service");
    }
}

// udev reads its rules anew when they have changed.
void write_origin_rules(const std::string& rules)
{
    const fs::path file(kOriginRules);
    if (rules.empty()) {
        fs::remove(file);
        return;
    }
    fs::create_directories(file.parent_path());
    if (const std::string text = origin_rules_file(rules); read_text(file) != text) {
        write_text(file, text);
    }
}

void generate(const VolumeConfig& config, const fs::path& directory)
{
    generate_volume(config, directory);
    for (const Timer& timer : timers_of(config)) {
        write_unit(directory / timer.unit, timer.text);
        want(directory, "timers.target", timer.unit, timer.unit);
        add_drop_in(directory, timer.service(), timed_drop_in(config));
    }
}

// True if nothing went wrong.
bool generate_all(const fs::path& directory)
{
    bool good = true;
    std::string rules;
    for (const std::string& volume : list_volumes()) {
        try {
            const VolumeConfig config = load_config(volume);
            rules += origin_rule(config);
            generate(config, directory);
        } catch (const std::exception& error) {
            report("no units for volume " + volume + ": " + error.what());
            good = false;
        }
    }
    write_origin_rules(rules);
    return good;
}

} // namespace
} // namespace zumastor

int main(int argc, char** argv)
{
    ::umask(022);
    zumastor::set_program_name("zumastor-generator");
    if (argc != 2 && argc != 4) {
        zumastor::report("usage: zumastor-generator NORMAL-DIR [EARLY-DIR LATE-DIR]", "systemd runs it");
        return static_cast<int>(zumastor::Exit::usage);
    }
    try {
        return zumastor::generate_all(argv[1]) ? 0 : 1;
    } catch (const std::exception& error) {
        zumastor::report(error.what());
        return 1;
    }
}
