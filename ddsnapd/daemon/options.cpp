// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/options.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <CLI/CLI.hpp>

#include "snapstore/known_format.h"

namespace ddsnap::daemon {

namespace {

// For the packages' scripts, which keep a version from being installed that would refuse a volume's store.
void print_store_format()
{
    const snapstore::KnownFormat known = snapstore::known_format();
    std::printf("%" PRIu32 " %" PRIu64 " %" PRIu64 "\n", known.version, known.ro_compat, known.incompat);
    std::exit(EXIT_SUCCESS);
}

} // namespace

Options parse_options(int argc, const char* const* argv)
{
    Options options;
    CLI::App app{"ddsnapd: the snapshot daemon of one Zumastor volume."};
    app.set_version_flag("--version", "ddsnapd " ZUMASTOR_VERSION);
    app.add_flag_callback(
        "--store-format", print_store_format,
        "print which stores this version understands: version of the format, feature bits that need not "
        "forbid writing, incompatible feature bits");
    app.add_flag("-f,--foreground", options.foreground, "do not detach from the terminal");
    app.add_option("-l,--logfile", options.log_file, "append the log to this file");
    app.add_option("-p,--pidfile", options.pid_file, "write the process id to this file");
    app.add_option("-k,--cachesize", options.cache_bytes, "initial memory for metadata (64M)")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("-w,--warn-at", options.warn_at,
                   "warn when the store is so full, in percent (80,90,95); 0: never")
        ->delimiter(',')
        ->allow_extra_args(false) // the words after it are places
        ->check(CLI::Range(0u, 100u));
    app.add_flag("-s,--snapshot-first", options.snapshot_first,
                 "if the store is full or fails: writes to the origin fail, no snapshot is given up");
    app.add_option("--witness", options.witness,
                   "directory for the record that snapshots are lost, on another disk than the volume's")
        ->capture_default_str();
    std::vector<std::string> places;
    app.add_option("places", places, "SNAPDEV ORIGDEV [METADEV] AGENTSOCK SERVERSOCK")
        ->required()
        ->expected(4, 5)
        ->type_name("PATH");
    app.footer("SNAPDEV    the snapshot store\n"
               "ORIGDEV    the origin\n"
               "METADEV    the store's metadata, if there is a device for it\n"
               "AGENTSOCK  the data socket, for devices\n"
               "SERVERSOCK the control socket, for commands");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        std::exit(app.exit(e) == 0 ? EXIT_SUCCESS : 2);
    }
    auto next = places.begin();
    options.store = *next++;
    options.origin = *next++;
    if (places.size() == 5) {
        options.meta = *next++;
    }
    options.data_socket = *next++;
    options.control_socket = *next;
    return options;
}

} // namespace ddsnap::daemon
