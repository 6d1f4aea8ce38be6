// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <string_view>
#include <thread>

#include "tools/common/border.h"
#include "tools/common/held_locks.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

constexpr auto kQueryLimit = std::chrono::seconds(10);

// Which host it is, as arguments of ssh: nothing of it can be taken for an option.
std::vector<std::string> destination(const HostName& host)
{
    std::vector<std::string> words;
    if (!host.user().empty()) {
        words.insert(words.end(), {"-l", host.user()});
    }
    if (host.port() != 0) {
        words.insert(words.end(), {"-p", std::to_string(host.port())});
    }
    words.insert(words.end(), {"--", host.address()});
    return words;
}

gid_t need_group(const LoginName& account)
{
    errno = 0;
    const passwd* entry = ::getpwnam(account.c_str()); // one thread
    if (entry == nullptr) {
        throw Failure(Exit::missing,
                      "user '" + account + "', who is to run ssh, does not exist here" +
                          (errno == 0 ? "" : std::string(": ") + std::strerror(errno)),
                      "make the user (see replication-user.md), or leave --ssh-user out");
    }
    return entry->pw_gid;
}

// What ssh is started by. Nothing of root's is left to it: no group, no capability, no variable, no way to
// get one.
std::vector<std::string> ssh_as(const LoginName& account)
{
    const std::string ssh = find_in_path("ssh");
    if (account.empty()) {
        return {ssh};
    }
    return {"setpriv",        "--reuid=" + account, "--regid=" + std::to_string(need_group(account)),
            "--init-groups",  "--inh-caps=-all",    "--bounding-set=-all",
            "--no-new-privs", "--reset-env",        ssh};
}

// Without a limit ssh waits for a host that takes the connection and then says nothing for ever, and minutes
// for one that is not there. But what is given on its command line outdoes ssh_config, and an administrator
// who has set another limit there, for a line that is dialled first, say, has a reason: so ssh is asked. (It
// only reads its configuration for that.) If it cannot be asked it will say itself what is wrong.
bool has_own_limit(const HostName& host, const LoginName& ssh_user)
{
    std::vector<std::string> command = ssh_as(ssh_user);
    command.emplace_back("-G");
    for (const std::string& word : destination(host)) {
        command.push_back(word);
    }
    try {
        const std::string settings = "\n" + run_program(command, kQueryLimit).output + "\n";
        const std::size_t at = settings.find("\nconnecttimeout ");
        return at != std::string::npos && settings.compare(at, 21, "\nconnecttimeout none\n") != 0;
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        return false;
    }
}

// A host that does not answer is given up after 20 seconds, a connection that is dead is noticed within a
// minute: a cycle holds its stream's lock all the time.
std::vector<std::string> ssh_command(const HostName& host, const LoginName& ssh_user,
                                     const std::vector<std::string>& words)
{
    std::vector<std::string> command = ssh_as(ssh_user);
    command.insert(command.end(), {"-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o",
                                   "ServerAliveCountMax=4"});
    if (!has_own_limit(host, ssh_user)) {
        command.insert(command.end(), {"-o", "ConnectTimeout=20"});
    }
    for (const std::string& word : destination(host)) {
        command.push_back(word);
    }
    for (const std::string& word : words) { // a shell there puts them together again
        command.push_back(quote_word(word));
    }
    return command;
}

// For the administrator, to see what ssh says.
std::string trial(const HostName& host, const LoginName& ssh_user)
{
    std::string command =
        (ssh_user.empty() ? "" : "runuser -u " + ssh_user + " -- ") + std::string("ssh -o BatchMode=yes");
    for (const std::string& word : destination(host)) {
        command += word == "--" ? "" : " " + quote_word(word); // no address begins with '-'
    }
    return command + " true";
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

// What comes within this time counts; a shell that ends does so at once.
constexpr int kRestMs = 3000;
constexpr std::size_t kMostRest = 1000;

// A thread for signals to stay away from: they are the main one's, whose waits they end.
std::thread without_signals(const std::function<void()>& work)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread(work);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

} // namespace

// Reads the peer's stderr until its end, or until the peer has ended: a connection that ssh keeps for others
// (ControlPersist) may hold it open.
class Peer::Messages {
public:
    explicit Messages(ddsnap::UniqueFd from)
        : from_(std::move(from)), stop_(make_pipe()), thread_(without_signals([this] { read_all(); }))
    {}
    ~Messages() { stop(); }
    Messages(const Messages&) = delete;
    Messages& operator=(const Messages&) = delete;

    void stop()
    {
        stop_.write.reset();
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    const std::string& last() const noexcept { return last_; }

private:
    static constexpr std::size_t kLongest = 2000; // of a line

    void read_all()
    {
        std::array<pollfd, 2> wait{{{from_.get(), POLLIN, 0}, {stop_.read.get(), POLLIN, 0}}};
        for (bool more = true; more;) {
            if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) {
                break;
            }
            const bool something = wait[0].revents != 0;
            more = (!something || read_some()) && (something || wait[1].revents == 0);
        }
        say();
    }
    bool read_some()
    {
        std::array<char, 4096> buffer{};
        const auto got = ::read(from_.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            return true;
        }
        for (const char c :
             std::string_view(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)))) {
            if (c == '\n' || line_.size() == kLongest) {
                say();
            }
            if (c != '\n') {
                line_ += c;
            }
        }
        return got > 0;
    }
    void say()
    {
        if (line_.ends_with('\r')) { // ssh's own lines have one
            line_.pop_back();
        }
        if (line_.empty()) {
            return;
        }
        last_ = shown(line_, kLongest);
        line_.clear();
        const std::string text = last_ + "\n";
        (void)!::write(STDERR_FILENO, text.data(), text.size()); // there is nobody else to tell
    }

    ddsnap::UniqueFd from_;
    Pipe stop_; // closed: enough
    std::string line_;
    std::string last_;
    std::thread thread_; // the last: it uses the others
};

void check_ssh_user(const HostName& host, const LoginName& ssh_user)
{
    if (ssh_user.empty()) {
        return;
    }
    if (host.is_this_host()) {
        throw Failure(Exit::usage, "--ssh-user: host " + host + " is reached without ssh",
                      "leave --ssh-user out");
    }
    need_group(ssh_user);
}

Peer::Peer(const HostName& host, const LoginName& ssh_user, const std::vector<std::string>& words)
    : host_(host), ssh_user_(ssh_user)
{
    about_to_wait_for_peer();
    const bool local = host.is_this_host();
    if (!local && find_in_path("ssh").empty()) {
        throw Failure(Exit::missing, host + " cannot be reached: the program ssh is not installed",
                      "apt install openssh-client");
    }
    const std::vector<std::string> command = local ? words : ssh_command(host, ssh_user, words);
    std::vector<char*> argv;
    argv.reserve(command.size() + 1);
    for (const std::string& word : command) {
        argv.push_back(const_cast<char*>(word.c_str())); // execvp() writes to none of them
    }
    argv.push_back(nullptr);
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    Pipe messages = make_pipe();
    (void)std::signal(SIGPIPE, SIG_IGN); // a peer that has gone is an error with a text
    child_ = ::fork();
    if (child_ < 0) {
        throw errno_failure("cannot start " + command.front());
    }
    if (child_ == 0) {
        ::dup2(input.read.get(), STDIN_FILENO);
        ::dup2(output.write.get(), STDOUT_FILENO);
        ::dup2(messages.write.get(), STDERR_FILENO);
        (void)std::signal(SIGPIPE, SIG_DFL);
        ::execvp(local ? "/proc/self/exe" : argv[0], argv.data()); // the same program, wherever it is
        ::_exit(127);
    }
    end_with_interrupt(child_); // however long the connection has been silent
    to_ = std::move(input.write);
    from_ = std::move(output.read);
    messages.write.reset();
    messages_ = std::make_unique<Messages>(std::move(messages.read));
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
    messages_->stop();
    return status;
}

std::string Peer::rest() const
{
    std::string text;
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::milliseconds(kRestMs);
    while (from_ && text.size() < kMostRest) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd wait{from_.get(), POLLIN, 0};
        std::array<char, kMostRest> buffer{};
        if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) {
            break;
        }
        const auto got = ::read(from_.get(), buffer.data(), buffer.size());
        if (got <= 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    while (text.ends_with('\n') || text.ends_with('\r')) {
        text.pop_back();
    }
    return text;
}

std::string Peer::last_message() const { return messages_->last(); }

void throw_broken(Peer& peer, const std::string& error, const std::string& next)
{
    const HostName& host = peer.host();
    std::string said = peer.rest();
    const int status = peer.finish();
    check_interrupt(); // which may have looked like a broken stream
    said = said.empty() ? "" : "; it said: '" + shown(said, kMostRest) + "'";
    const std::string& message = peer.last_message();
    said += message.empty() ? "" : "; its message: " + message;
    const bool unreachable = status == 255 || status == 127;
    if (unreachable) {
        throw Failure(Exit::peer_unreachable, host + " cannot be reached, or the connection broke" + said,
                      "try: " + trial(host, peer.ssh_user()));
    }
    throw Failure(exit_of_peer(status < 127 ? status : 0).value_or(Exit::peer_unreachable),
                  host + ": " + error + said, next);
}

} // namespace zumastor
