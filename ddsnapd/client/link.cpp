// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

namespace ddsnap::client {

namespace {
constexpr int kRetryMs = 20; // between attempts to connect
}

Link::Link(ProtocolClient& client, std::string socket_path)
    : client_(client), path_(std::move(socket_path)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (!wake_) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    thread_ = std::thread([this]() { run(); });
}

Link::~Link()
{
    stop_ = true;
    wake();
    thread_.join();
}

void Link::wake() noexcept
{
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one); // fails only if it is already as awake as can be
}

void Link::send(std::span<const std::byte> bytes)
{
    output_.insert(output_.end(), bytes.begin(), bytes.end());
    if (!corked_) {
        send_output();
    }
}

// The thread itself sends when it has done what it is at.
void Link::send_output()
{
    if (std::this_thread::get_id() != thread_id_ && !flush()) {
        hung_up_ = true;
        wake();
    }
}

void Link::uncork()
{
    corked_ = false;
    if (!output_.empty()) {
        send_output();
    }
}

void Link::hang_up(std::string_view)
{
    hung_up_ = true;
    wake();
}

bool Link::stands() noexcept
{
    pollfd fd{socket_.get(), POLLRDHUP, 0};
    const int found = socket_ ? ::poll(&fd, 1, 0) : 1;
    return found == 0; // an error is no proof
}

void Link::interrupt(std::chrono::milliseconds pause)
{
    const std::lock_guard lock(mutex_);
    not_before_ = std::chrono::steady_clock::now() + pause;
    hung_up_ = true;
    wake();
}

// Sends what the socket takes; false if it is broken. The rest goes when the thread sees room.
bool Link::flush()
{
    std::size_t sent = 0;
    while (socket_ && sent < output_.size()) {
        const ssize_t n =
            ::send(socket_.get(), output_.data() + sent, output_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
        } else if (errno == EAGAIN) {
            wake(); // the thread may be waiting for input only
            break;
        } else if (errno != EINTR) {
            return false;
        }
    }
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent));
    return true;
}

bool Link::connect()
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
        return false;
    }
    std::memcpy(address.sun_path, path_.data(), path_.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    socket_ = std::move(socket);
    output_.clear();
    hung_up_ = false;
    client_.connected(*this);
    return true;
}

void Link::wait(int timeout_ms, short socket_events)
{
    std::array<pollfd, 2> fds{pollfd{wake_.get(), POLLIN, 0}, pollfd{socket_.get(), socket_events, 0}};
    (void)::poll(fds.data(), socket_events == 0 ? 1 : 2, timeout_ms); // EINTR: the caller's loop looks again
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
}

// One connection, to its end.
void Link::serve()
{
    std::array<std::byte, 65536> input;
    while (!stop_) {
        bool more = false;
        {
            const std::lock_guard lock(mutex_);
            if (hung_up_ || !flush()) {
                return;
            }
            more = !output_.empty();
        }
        wait(-1, static_cast<short>(POLLIN | (more ? POLLOUT : 0)));
        const ssize_t n = ::recv(socket_.get(), input.data(), input.size(), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return;
        }
        if (n > 0) {
            const std::lock_guard lock(mutex_);
            client_.on_bytes(std::span(input).first(static_cast<std::size_t>(n)));
            changed_.notify_all();
        }
    }
}

void Link::run()
{
    {
        const std::lock_guard lock(mutex_);
        thread_id_ = std::this_thread::get_id();
    }
    while (!stop_) {
        bool pausing = false;
        {
            const std::lock_guard lock(mutex_);
            if (client_.state() == ProtocolClient::State::left) {
                changed_.notify_all();
                return;
            }
            pausing = std::chrono::steady_clock::now() < not_before_;
        }
        if (pausing || !connect()) {
            wait(kRetryMs, 0);
            continue;
        }
        serve();
        const std::lock_guard lock(mutex_);
        socket_.reset();
        client_.disconnected();
        changed_.notify_all();
        if (client_.state() == ProtocolClient::State::refused) {
            not_before_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(kRetryMs);
        }
    }
    const std::lock_guard lock(mutex_);
    socket_.reset();
    client_.disconnected();
    changed_.notify_all();
}

} // namespace ddsnap::client
