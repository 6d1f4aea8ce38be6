// SPDX-License-Identifier: GPL-2.0
// A client of ddsnapd's control socket (docs/control.md): one request at a time, synchronous, every wait
// bounded by a time-out. For the command line tools and tests; never throws for what the daemon or the
// network does.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "ddsnapd/disk/unique_fd.h"

namespace ddsnap::client {

struct ControlError {
    enum class Kind : std::uint8_t {
        absent,      // no daemon listens there
        unreachable, // whether one does cannot be known: it may not be asked, or takes no connection
        timeout,     // no answer in time; the connection is of no further use
        broken,      // the connection ended, or what came was no answer; of no further use
        refused,     // the daemon answered with an error; the connection stays good
    };

    Kind kind = Kind::broken;
    std::string code;    // docs/control.md's code if refused ("busy", …); else the kind as text
    std::string message; // a sentence for people
};

class ControlClient {
public:
    using Milliseconds = std::chrono::milliseconds;
    static constexpr Milliseconds kConnectTimeout{5000};
    static constexpr Milliseconds kCallTimeout{60000}; // longer than the default time-out of `create`

    static tl::expected<ControlClient, ControlError> connect(const std::string& socket_path,
                                                             Milliseconds timeout = kConnectTimeout);

    // Sends `request` (an object with "op") and returns the answer: the object whose "ok" is true. An
    // answer with "ok" false comes back as an error of kind refused.
    tl::expected<nlohmann::json, ControlError> call(const nlohmann::json& request,
                                                    Milliseconds timeout = kCallTimeout);

    // The socket, for callers that wait on several daemons at once. Still owned by this object.
    int fd() const noexcept { return socket_.get(); }

private:
    using Clock = std::chrono::steady_clock;

    explicit ControlClient(UniqueFd socket) noexcept : socket_(std::move(socket)) {}
    tl::expected<void, ControlError> send_line(const std::string& line, Clock::time_point deadline);
    tl::expected<std::string, ControlError> read_line(Clock::time_point deadline);

    UniqueFd socket_;
    std::string buffered_; // bytes received beyond the last line
};

// connect() and one call().
tl::expected<nlohmann::json, ControlError>
control_call(const std::string& socket_path, const nlohmann::json& request,
             ControlClient::Milliseconds timeout = ControlClient::kCallTimeout);

} // namespace ddsnap::client
