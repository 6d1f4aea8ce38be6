// SPDX-License-Identifier: GPL-2.0
#include "tests/native/volume.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <gtest/gtest.h>

namespace ddsnap::test {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::chrono::seconds kStartTimeout{60};

void make_file(const fs::path& path, std::uint64_t size)
{
    std::ofstream(path).close();
    fs::resize_file(path, size);
}

int wait_for_exit(pid_t pid)
{
    int status = 0;
    while (::waitpid(pid, &status, 0) != pid) {
        if (errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "waitpid");
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string content_of(const fs::path& path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

Volume::Volume(const VolumeSizes& sizes) : sizes_(sizes)
{
    make_file(folder_ / "origin", sizes.origin);
    make_file(folder_ / "store", sizes.store);
    if (sizes.meta != 0) {
        make_file(folder_ / "meta", sizes.meta);
    }
    format_store(path("origin"), path("store"), sizes.meta != 0 ? path("meta") : std::string(),
                 sizes.chunk_shift);
}

Volume::~Volume() { kill(); }

std::vector<std::string> Volume::arguments(const std::string& sockets_suffix, bool foreground) const
{
    std::vector<std::string> all{DDSNAPD, "-k", "16M", "--witness", path("witness")};
    if (foreground) {
        all.emplace_back("-f");
    } else {
        all.insert(all.end(), {"-l", path("log"), "-p", path("pid")});
    }
    all.insert(all.end(), {path("store"), path("origin")});
    if (sizes_.meta != 0) {
        all.push_back(path("meta"));
    }
    all.push_back(path("data" + sockets_suffix));
    all.push_back(path("control" + sockets_suffix));
    return all;
}

pid_t Volume::spawn(const std::vector<std::string>& arguments, const std::string& output) const
{
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, path(output).c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                       0600);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), argv[0]);
    }
    return pid;
}

void Volume::launch() { pid_ = spawn(arguments(""), "log"); }

void Volume::start()
{
    launch();
    const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
    while (!client::control_call(path("control"), {{"op", "hello"}})) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = 0;
            // As systemd does: the last I/O of a killed daemon takes its time on a busy disk, and holds the lock.
            if (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL &&
                std::chrono::steady_clock::now() < deadline) {
                launch();
                continue;
            }
            throw std::runtime_error("the daemon has ended:\n" + log());
        }
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error("the daemon does not answer:\n" + log());
        }
        const timespec pause{0, 2'000'000}; // between two looks
        (void)::nanosleep(&pause, nullptr);
    }
}

int Volume::start_detached()
{
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) { // so that the daemon becomes our child
        throw std::system_error(errno, std::generic_category(), "PR_SET_CHILD_SUBREAPER");
    }
    const int status = wait_for_exit(spawn(arguments("", false), "terminal"));
    if (status == 0) {
        pid_ = std::stoi(content_of(path("pid")));
    }
    return status;
}

void Volume::kill()
{
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        const int status = wait_for_exit(std::exchange(pid_, 0));
        if (status != 0 && status != 128 + SIGKILL) { // ended by itself before: a crash, a sanitizer's report
            ADD_FAILURE() << "the daemon has ended with status " << status << ":\n" << log();
        }
    }
}

int Volume::terminate()
{
    signal(SIGTERM);
    return wait();
}

void Volume::signal(int number) { ::kill(pid_, number); }

int Volume::wait() { return wait_for_exit(std::exchange(pid_, 0)); }

std::pair<int, std::string> Volume::run_rival()
{
    const int status = wait_for_exit(spawn(arguments("2"), "rival-log"));
    return {status, content_of(path("rival-log"))};
}

json Volume::call(const json& request)
{
    auto answer = client::control_call(path("control"), request);
    if (!answer) {
        throw std::runtime_error(request.dump() + ": " + answer.error().code + ": " + answer.error().message);
    }
    return *answer;
}

std::string Volume::refusal(const json& request)
{
    const auto answer = client::control_call(path("control"), request);
    return answer ? "" : answer.error().code;
}

std::uint64_t Volume::create() { return call({{"op", "create"}})["snapshot"]["id"].get<std::uint64_t>(); }

std::uint64_t Volume::counter(const std::string& name)
{
    return call({{"op", "status"}})["volume"]["counters"][name].get<std::uint64_t>();
}

sockaddr_un Volume::address(const std::string& name) const
{
    sockaddr_un result{};
    result.sun_family = AF_UNIX;
    const std::string text = path(name);
    if (text.size() >= sizeof result.sun_path) {
        throw std::length_error(text);
    }
    std::copy(text.begin(), text.end(), result.sun_path);
    return result;
}

std::string Volume::log() const { return content_of(path("log")); }

client::DeviceOptions Volume::device(const std::string& name) const
{
    client::DeviceOptions options;
    options.data_socket = path("data");
    options.origin = path("origin");
    options.store = path("store");
    options.name = name;
    return options;
}

} // namespace ddsnap::test
