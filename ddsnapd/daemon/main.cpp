// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>

#include "ddsnapd/daemon/daemon.h"
#include "ddsnapd/daemon/start_failure.h"

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

using namespace ddsnap::daemon;

// Each client is an open file, and each active snapshot has a client: the usual soft limit of 1024 would keep
// some of them out. Only programs that use select() need it.
void allow_many_files()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            (void)std::fprintf(stderr, "ddsnapd: the limit of open files stays: %s\n", std::strerror(errno));
        }
    }
}

// A try that fails for now takes its time, so that systemd, which starts the next one soon, does not run out
// of tries (StartLimitBurst= of the unit). A signal ends the waiting, and the process.
int end_try(std::chrono::steady_clock::time_point began)
{
    constexpr std::chrono::seconds kTry{10};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(began + kTry -
                                                                            std::chrono::steady_clock::now());
    if (left.count() > 0 && std::getenv("NOTIFY_SOCKET") != nullptr) {
        (void)::poll(nullptr, 0, static_cast<int>(left.count()));
    }
    return kTryAgain;
}

} // namespace

int main(int argc, char** argv)
{
    const auto began = std::chrono::steady_clock::now();
    try {
        Options options = parse_options(argc, argv);
        make_absolute(options);
        allow_many_files();
        (void)std::signal(SIGPIPE, SIG_IGN);
        (void)std::signal(SIGHUP, SIG_IGN); // who starts us may go; the daemon listens to it when it is up
        Detached parent;
        if (!options.foreground) {
            auto detached = Detached::detach();
            if (!detached) {
                (void)std::fprintf(stderr, "ddsnapd: %s\n", detached.error().c_str());
                return EXIT_FAILURE;
            }
            parent = std::move(*detached);
        }
        const int status = run_daemon(options, parent);
        return status == kTryAgain ? end_try(began) : status;
    } catch (const std::bad_alloc&) {
        (void)std::fprintf(stderr, "ddsnapd: out of memory\n");
        return end_try(began);
    } catch (const std::exception& e) {
        (void)std::fprintf(stderr, "ddsnapd: %s\n", e.what());
        return EXIT_FAILURE;
    }
}
