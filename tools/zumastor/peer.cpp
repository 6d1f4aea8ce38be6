// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/peer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

// A connection that is dead is noticed within a minute.
std::vector<std::string> ssh_command(const std::string& host, std::uint64_t port,
                                     const std::vector<std::string>& words)
{
    std::vector<std::string> command{
        "ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"};
    if (port != 0) {
        command.insert(command.end(), {"-p", std::to_string(port)});
    }
    command.insert(command.end(), {"--", host});
    for (const std::string& word : words) { // a shell there puts them together again
        command.push_back(quote_word(word));
    }
    return command;
}

struct Pipe {
    ddsnap::UniqueFd read;
    ddsnap::UniqueFd write;
};

Pipe make_pipe()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw errno_failure("cannot make a pipe");
    }
    return {ddsnap::UniqueFd(ends[0]), ddsnap::UniqueFd(ends[1])};
}

int wait_for(pid_t child)
{
    siginfo_t ended{}; // it still has its number then, which nobody else can get
    while (::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    end_with_interrupt(0);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

bool needs_ssh(const std::string& host, std::uint64_t port) { return host != kThisHost || port != 0; }

Peer::Peer(const std::string& host, std::uint64_t port, const std::vector<std::string>& words)
{
    const bool local = !needs_ssh(host, port);
    if (!local && find_in_path("ssh").empty()) {
        throw Failure(Exit::missing, host + " cannot be reached: the program ssh is not installed",
                      "apt install openssh-client");
    }
    const std::vector<std::string> command = local ? words : ssh_command(host, port, words);
    std::vector<char*> argv;
    argv.reserve(command.size() + 1);
    for (const std::string& word : command) {
        argv.push_back(const_cast<char*>(word.c_str())); // execvp() writes to none of them
    }
    argv.push_back(nullptr);
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    (void)std::signal(SIGPIPE, SIG_IGN); // a peer that has gone is an error with a text
    child_ = ::fork();
    if (child_ < 0) {
        throw errno_failure("cannot start " + command.front());
    }
    if (child_ == 0) {
        ::dup2(input.read.get(), STDIN_FILENO);
        ::dup2(output.write.get(), STDOUT_FILENO);
        (void)std::signal(SIGPIPE, SIG_DFL);
        ::execvp(local ? "/proc/self/exe" : argv[0], argv.data()); // the same program, wherever it is
        ::_exit(127);
    }
    end_with_interrupt(child_); // however long the connection has been silent
    to_ = std::move(input.write);
    from_ = std::move(output.read);
}

Peer::~Peer()
{
    if (child_ > 0) {
        ::kill(child_, SIGTERM);
        wait_for(child_);
    }
}

int Peer::finish()
{
    to_.reset();
    from_.reset();
    const int status = wait_for(child_);
    child_ = -1;
    return status;
}

} // namespace zumastor
