// SPDX-License-Identifier: GPL-2.0
// zumastor-generator: systemd runs it early at boot, and whenever it reads its units again, with three
// directories. It makes the timers that /etc/zumastor/*.toml asks for, in the first of them, and has
// timers.target want them. A configuration that is not understood costs its own volume's timers only.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tools/common/failure.h"
#include "tools/zumastor/units.h"

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

void generate(const std::string& volume, const fs::path& directory)
{
    const fs::path wants = directory / "timers.target.wants";
    for (const Timer& timer : timers_of(load_config(volume))) {
        write_unit(directory / timer.unit, timer.text);
        fs::create_directories(wants);
        const fs::path link = wants / timer.unit;
        fs::remove(link);
        fs::create_symlink(fs::path("..") / timer.unit, link);
    }
}

// True if nothing went wrong.
bool generate_all(const fs::path& directory)
{
    bool good = true;
    for (const std::string& volume : list_volumes()) {
        try {
            generate(volume, directory);
        } catch (const std::exception& error) {
            report("no timers for volume " + volume + ": " + error.what());
            good = false;
        }
    }
    return good;
}

} // namespace
} // namespace zumastor

int main(int argc, char** argv)
{
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
