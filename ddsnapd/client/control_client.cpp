// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "ddsnapd/protocol/control_words.h"

namespace ddsnap::client {
namespace {

namespace fields = control::fields;

using Kind = ControlError::Kind;

// The protocol does not limit answers: a bound that only a broken peer reaches.
constexpr std::size_t kMaxAnswer = 256u << 20;

tl::unexpected<ControlError> error(Kind kind, std::string message)
{
    static constexpr std::array kNames{"absent", "unreachable", "timeout", "broken", "refused"};
    return tl::unexpected<ControlError>(
        ControlError{kind, kNames[static_cast<std::size_t>(kind)], std::move(message)});
}

tl::unexpected<ControlError> errno_error(Kind kind, const std::string& what)
{
    return error(kind, what + ": " + std::strerror(errno));
}

// Waits for `events` on fd; false with errno = ETIMEDOUT when the deadline passes.
bool wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline)
{
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd p{fd, events, 0};
        const int n =
            ::poll(&p, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000)));
        if (n > 0) {
            return true;
        }
        if (n == 0) {
            errno = ETIMEDOUT;
            return false;
        }
        if (errno != EINTR) {
            return false;
        }
    }
}

tl::unexpected<ControlError> wait_error()
{
    return errno == ETIMEDOUT ? error(Kind::timeout, "the daemon did not answer in time")
                              : errno_error(Kind::broken, "waiting for the daemon");
}

} // namespace

tl::expected<ControlClient, ControlError> ControlClient::connect(const std::string& socket_path,
                                                                 Milliseconds timeout)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof(address.sun_path)) {
        return error(Kind::unreachable, "socket path is longer than 107 bytes: " + socket_path);
    }
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) {
        return errno_error(Kind::unreachable, "socket");
    }
    // A blocking connect to a listener whose backlog is full waits as long as SO_SNDTIMEO says.
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(std::max(timeout, Milliseconds{1})).count();
    const timeval limit{us / 1'000'000, us % 1'000'000};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
        return errno_error(Kind::unreachable, "SO_SNDTIMEO");
    }
    int result = 0;
    do {
        result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        if (errno == EAGAIN) {
            return error(Kind::timeout, "the daemon at " + socket_path + " accepts no connection");
        }
        const bool nobody = errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED;
        return errno_error(nobody ? Kind::absent : Kind::unreachable, "cannot connect to " + socket_path);
    }
    return ControlClient(std::move(socket));
}

tl::expected<void, ControlError> ControlClient::send_line(const std::string& line, Clock::time_point deadline)
{
    std::size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t n =
            ::send(socket_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
        } else if (errno == EAGAIN) {
            if (!wait_for(socket_.get(), POLLOUT, deadline)) {
                return wait_error();
            }
        } else if (errno != EINTR) {
            return errno_error(Kind::broken, "sending to the daemon");
        }
    }
    return {};
}

tl::expected<std::string, ControlError> ControlClient::read_line(Clock::time_point deadline)
{
    std::size_t searched = 0;
    std::array<char, 65536> block;
    for (;;) {
        if (const auto end = buffered_.find('\n', searched); end != std::string::npos) {
            std::string line = buffered_.substr(0, end);
            buffered_.erase(0, end + 1);
            return line;
        }
        searched = buffered_.size();
        if (searched > kMaxAnswer) {
            return error(Kind::broken, "the daemon's answer is too long");
        }
        const ssize_t n = ::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT);
        if (n > 0) {
            buffered_.append(block.data(), static_cast<std::size_t>(n));
        } else if (n == 0) {
            return error(Kind::broken, "the daemon closed the connection");
        } else if (errno == EAGAIN) {
            if (!wait_for(socket_.get(), POLLIN, deadline)) {
                return wait_error();
            }
        } else if (errno != EINTR) {
            return errno_error(Kind::broken, "receiving from the daemon");
        }
    }
}

tl::expected<nlohmann::json, ControlError> ControlClient::call(const nlohmann::json& request,
                                                               Milliseconds timeout)
{
    if (!socket_) {
        return error(Kind::broken, "the connection was closed after an earlier error");
    }
    const auto deadline = Clock::now() + timeout;
    // A character that is not UTF-8 in a name must not throw here: the daemon refuses it.
    const std::string line = request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    auto answer_line = send_line(line, deadline).and_then([&]() { return read_line(deadline); });
    if (!answer_line) {
        socket_.reset(); // an answer that comes later would be taken for that of the next request
        return tl::unexpected(std::move(answer_line).error());
    }
    auto answer = nlohmann::json::parse(*answer_line, nullptr, false);
    const auto ok = answer.is_object() ? answer.find(fields::ok) : answer.end();
    if (!answer.is_object() || ok == answer.end() || !ok->is_boolean()) {
        socket_.reset();
        return error(Kind::broken, "the daemon's answer is malformed");
    }
    if (ok->get<bool>()) {
        return answer;
    }
    const auto& details = answer[fields::error];
    const auto text = [&](const char* field, const char* otherwise) {
        return details.is_object() && details.contains(field) && details[field].is_string()
                   ? details[field].get<std::string>()
                   : std::string(otherwise);
    };
    return tl::unexpected(ControlError{Kind::refused, text(fields::code, control::codes::failed),
                                       text(fields::message, "the daemon gave no reason")});
}

tl::expected<nlohmann::json, ControlError> control_call(const std::string& socket_path,
                                                        const nlohmann::json& request,
                                                        ControlClient::Milliseconds timeout)
{
    auto client = ControlClient::connect(socket_path);
    if (!client) {
        return tl::unexpected(std::move(client).error());
    }
    return client->call(request, timeout);
}

} // namespace ddsnap::client
