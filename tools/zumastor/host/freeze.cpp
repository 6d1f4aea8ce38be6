// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/freeze.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

constexpr Freeze::Milliseconds kThawLimit{10000};
constexpr Freeze::Milliseconds kLook{1000}; // at how flushing goes on

// Waits for a byte or the end of the other side. False when the time is up.
bool wait_readable(int fd, Freeze::Milliseconds limit, bool interruptible)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::ceil<Freeze::Milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        pollfd p{fd, POLLIN, 0};
        const int n = ::poll(&p, 1, left > 0 ? static_cast<int>(left) : 0);
        if (n >= 0) {
            return n > 0;
        }
        if (errno != EINTR) {
            return true; // let read() tell
        }
        if (interruptible) {
            check_interrupt();
        }
    }
}

// Beside those for input and output.
void close_others(std::array<int, 3> kept)
{
    std::sort(kept.begin(), kept.end());
    unsigned first = 3;
    for (const int fd : kept) {
        if (static_cast<unsigned>(fd) > first) {
            ::syscall(SYS_close_range, first, static_cast<unsigned>(fd) - 1, 0u);
        }
        first = static_cast<unsigned>(fd) + 1;
    }
    ::syscall(SYS_close_range, first, ~0u, 0u);
}

// What changes whenever a write begins or ends: how many there were, of how many sectors, and how many are
// under way. (Kernels count a mapped device's writes when they begin.) Empty if the kernel does not say.
std::vector<std::string> progress_of(dev_t device)
{
    constexpr std::size_t kWrites = 4; // fields, as Documentation/admin-guide/iostats.rst counts them from 0
    constexpr std::size_t kSectors = 6;
    constexpr std::size_t kInFlight = 8;
    const std::string path =
        "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device)) + "/stat";
    const std::vector<std::string> fields = split(read_text(path), ' ');
    return fields.size() > kInFlight ? std::vector{fields[kWrites], fields[kSectors], fields[kInFlight]}
                                     : std::vector<std::string>{};
}

} // namespace

Freeze::Freeze(std::string mount_point, dev_t device, Milliseconds limit)
    : mount_point_(std::move(mount_point)),
      directory_(::open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))
{
    std::array<int, 2> order{};
    std::array<int, 2> answer{};
    if (!directory_ || ::pipe2(order.data(), O_CLOEXEC) != 0) {
        throw errno_failure(mount_point_ + ": cannot be frozen");
    }
    order_ = ddsnap::UniqueFd(order[1]);
    ddsnap::UniqueFd order_read(order[0]);
    if (::pipe2(answer.data(), O_CLOEXEC) != 0) {
        throw errno_failure(mount_point_ + ": cannot be frozen");
    }
    answer_ = ddsnap::UniqueFd(answer[0]);
    ddsnap::UniqueFd answer_write(answer[1]);
    guardian_ = ::fork();
    if (guardian_ < 0) {
        throw errno_failure(mount_point_ + ": cannot be frozen");
    }
    if (guardian_ == 0) {
        order_.reset(); // else the guardian would never see its parent's end
        answer_.reset();
        guard(order_read.get(), answer_write.get(), limit);
    }
    order_read.reset();
    answer_write.reset();
    begin(device, limit);
}

// The guardian's life. Nothing here may allocate, log or touch a file.
void Freeze::guard(int order, int answer, Milliseconds limit) const
{
    ::setsid(); // out of reach of what is sent to the terminal's processes
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT}) {
        std::signal(number, SIG_IGN);
    }
    ::prctl(PR_SET_NAME, "zumastor-thaw");
    ::mlockall(MCL_CURRENT);
    // Not the volume's lock, above all: it would be held as long as a stalled device holds us.
    close_others({directory_.get(), order, answer});
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {0, 1, 2}) { // whoever reads our parent's output does not wait for us
        ::dup2(null, fd);
    }
    const auto say = [answer](Word word, int error) {
        const std::array<char, 2> text{static_cast<char>(word), static_cast<char>(error)};
        return ::write(answer, text.data(), text.size()) == 2;
    };
    // What was written before is on disk before anybody is made to wait: freezing writes the rest alone.
    if (::syncfs(directory_.get()) != 0) {
        say(Word::unsynced, errno);
        ::_exit(0);
    }
    say(Word::synced, 0);
    pollfd gone{order, POLLIN, 0};
    if (::poll(&gone, 1, 0) > 0) {
        ::_exit(0); // it took too long, or was interrupted: nobody wants a frozen filesystem any more
    }
    if (::ioctl(directory_.get(), FIFREEZE, 0) != 0) {
        say(Word::refused, errno);
        ::_exit(0);
    }
    say(Word::frozen, 0); // should the parent be gone, the wait ends at once
    pollfd p{order, POLLIN, 0};
    const int n = ::poll(&p, 1, static_cast<int>(limit.count()));
    ::ioctl(directory_.get(), FITHAW, 0);
    say(n > 0 ? Word::thawed : Word::late, 0);
    ::_exit(0);
}

Freeze::Word Freeze::hear(Milliseconds limit)
{
    if (!wait_readable(answer_.get(), limit, true)) {
        throw Failure(Exit::failed,
                      mount_point_ + ": the filesystem could not be frozen in " +
                          std::to_string(limit.count() / 1000) + " s",
                      "is its device stalled? nothing was done; the filesystem is thawed as soon as "
                      "it freezes");
    }
    std::array<char, 2> text{};
    if (::read(answer_.get(), text.data(), text.size()) != 2) {
        return Word::ended;
    }
    errno = static_cast<unsigned char>(text[1]);
    return static_cast<Word>(text[0]);
}

// A server's memory may take long to be written, and nobody waits meanwhile but we; a stalled device is not
// waited for.
void Freeze::wait_flushed(dev_t device, Milliseconds limit)
{
    std::vector<std::string> known = progress_of(device);
    auto since = std::chrono::steady_clock::now();
    while (!wait_readable(answer_.get(), kLook, true)) {
        const auto now = std::chrono::steady_clock::now();
        if (std::vector<std::string> more = progress_of(device); more != known) {
            known = std::move(more);
            since = now;
        }
        if (now - since > limit) {
            throw Failure(Exit::failed,
                          mount_point_ + ": flushing the filesystem has made no progress for " +
                              std::to_string(limit.count() / 1000) + " s",
                          "is its device stalled? nothing was done");
        }
    }
}

void Freeze::begin(dev_t device, Milliseconds limit)
{
    Word word = Word::ended;
    try {
        wait_flushed(device, limit);
        word = hear(limit);
        if (word == Word::synced) {
            word = hear(limit);
        }
    } catch (...) {
        order_.reset(); // the guardian thaws when it gets that far; it cannot be waited for
        guardian_ = -1;
        throw;
    }
    if (word == Word::frozen) {
        frozen_ = true;
        return;
    }
    if (word == Word::unsynced) {
        throw errno_failure(mount_point_ + ": cannot be flushed");
    }
    if (word == Word::refused) {
        refused();
        return;
    }
    ::ioctl(directory_.get(), FITHAW, 0); // the guardian was killed, perhaps after it had frozen
    throw Failure(Exit::failed, mount_point_ + ": the process that freezes the filesystem was killed");
}

void Freeze::refused()
{
    if (errno == EBUSY) {
        note(mount_point_ + " is frozen already: it stays as it is");
        return;
    }
    if (errno != EOPNOTSUPP && errno != ENOTTY) {
        throw errno_failure(mount_point_ + ": cannot be frozen");
    }
    note(mount_point_ + ": this type of filesystem cannot be frozen, it was only flushed");
    if (::syncfs(directory_.get()) != 0) {
        throw errno_failure(mount_point_ + ": cannot be flushed");
    }
}

bool Freeze::thaw()
{
    if (guardian_ < 0) {
        return true;
    }
    order_.reset();
    bool in_time = !frozen_;
    if (frozen_) {
        std::array<char, 2> text{};
        const bool answered = wait_readable(answer_.get(), kThawLimit, false) &&
                              ::read(answer_.get(), text.data(), text.size()) == 2;
        if (!answered) {
            ::ioctl(directory_.get(), FITHAW, 0); // the guardian was killed
        }
        in_time = answered && static_cast<Word>(text[0]) == Word::thawed;
        frozen_ = false;
    }
    int status = 0;
    while (::waitpid(guardian_, &status, 0) < 0 && errno == EINTR) {
    }
    guardian_ = -1;
    return in_time;
}

Freeze::~Freeze() { thaw(); }

} // namespace zumastor
