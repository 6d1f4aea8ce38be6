// SPDX-License-Identifier: GPL-2.0
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "ddsnapd/daemon/daemon.h"

namespace {

// Paths stay good when the daemon changes its directory.
void make_absolute(ddsnap::daemon::Options& options)
{
    for (std::string* path :
         {&options.store, &options.origin, &options.data_socket, &options.control_socket}) {
        *path = std::filesystem::absolute(*path);
    }
    for (std::string* path : {&options.log_file, &options.pid_file, &options.witness}) {
        *path = path->empty() ? *path : std::filesystem::absolute(*path).string();
    }
    if (options.meta) {
        options.meta = std::filesystem::absolute(*options.meta);
    }
}

} // namespace

int main(int argc, char** argv)
{
    using namespace ddsnap::daemon;
    try {
        Options options = parse_options(argc, argv);
        make_absolute(options);
        (void)std::signal(SIGPIPE, SIG_IGN);
        Detached parent;
        if (!options.foreground) {
            auto detached = Detached::detach();
            if (!detached) {
                (void)std::fprintf(stderr, "ddsnapd: %s\n", detached.error().c_str());
                return EXIT_FAILURE;
            }
            parent = std::move(*detached);
        }
        return run_daemon(options, parent);
    } catch (const std::exception& e) {
        (void)std::fprintf(stderr, "ddsnapd: %s\n", e.what());
        return EXIT_FAILURE;
    }
}
