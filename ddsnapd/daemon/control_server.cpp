// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/control_server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ddsnap::daemon {

namespace asio = boost::asio;
using nlohmann::json;
using Socket = asio::local::stream_protocol::socket;
using ErrorCode = boost::system::error_code;

namespace {
constexpr std::size_t kMaxLine = std::size_t{64} << 10;
constexpr std::size_t kMaxConnections = 256;
} // namespace

class ControlConnection final : public std::enable_shared_from_this<ControlConnection> {
public:
    ControlConnection(ControlContext& context, Socket socket) : context_(context), socket_(std::move(socket))
    {}

    void start() { read(); }
    void close()
    {
        ErrorCode ignored; // closing is all that can be done
        socket_.close(ignored);
    }
    bool closed() const { return !socket_.is_open(); }

private:
    using Self = std::shared_ptr<ControlConnection>;

    void read()
    {
        socket_.async_read_some(asio::buffer(block_),
                                [self = shared_from_this()](const ErrorCode& error, std::size_t n) {
                                    if (error) {
                                        return self->close();
                                    }
                                    self->input_.append(self->block_.data(), n);
                                    self->next_line();
                                });
    }

    // Serves the first whole line, or reads on.
    void next_line()
    {
        const auto end = input_.find('\n');
        if (std::min(end, input_.size()) > kMaxLine) {
            return reject("the request is longer than 64 KiB");
        }
        if (end == std::string::npos) {
            return read();
        }
        json request =
            json::parse(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
        input_.erase(0, end + 1);
        if (!request.is_object()) {
            return reject("the request is not a JSON object");
        }
        snapstore::spawn(context_.frames(), serve(context_, shared_from_this(), std::move(request)));
    }

    // Static: the coroutine must own the connection, which may be gone by the time the answer is known.
    static snapstore::Task<void> serve(ControlContext& context, Self self, json request)
    {
        const json answer = co_await control_operation(context, std::move(request));
        self->write(answer, false);
    }

    void reject(const std::string& why) { write(control_error(ServiceError::Code::invalid, why), true); }

    void write(const json& answer, bool last)
    {
        if (closed()) {
            return;
        }
        output_ = answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
        asio::async_write(socket_, asio::buffer(output_),
                          [self = shared_from_this(), last](const ErrorCode& error, std::size_t) {
                              if (error || last) {
                                  return self->close();
                              }
                              self->next_line();
                          });
    }

    ControlContext& context_;
    Socket socket_;
    std::array<char, 16384> block_{};
    std::string input_;
    std::string output_;
};

struct ControlServer::State {
    explicit State(asio::io_context& io) : acceptor(io), retry(io) {}
    asio::local::stream_protocol::acceptor acceptor;
    asio::steady_timer retry;
    std::vector<std::weak_ptr<ControlConnection>> connections;
};

ControlServer::ControlServer(asio::io_context& io, ControlContext& context, ServiceLog& log, const Host& host)
    : context_(context), log_(log), host_(host), state_(std::make_unique<State>(io))
{}

ControlServer::~ControlServer() = default;

void ControlServer::accept_on(SocketFile& file)
{
    state_->acceptor.assign(asio::local::stream_protocol(), file.release());
    accept_next();
}

void ControlServer::stop_accepting()
{
    ErrorCode ignored;
    state_->acceptor.close(ignored);
    state_->retry.cancel();
}

void ControlServer::close()
{
    for (const auto& weak : state_->connections) {
        if (const auto connection = weak.lock()) {
            connection->close();
        }
    }
    state_->connections.clear();
}

void ControlServer::accept_next()
{
    state_->acceptor.async_accept([this](const ErrorCode& error, Socket socket) {
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
            return;
        }
        if (error) { // no descriptors or memory: later
            log_.log(Severity::warning, fmt::format("control socket: cannot accept: {}", error.message()));
            state_->retry.expires_after(std::chrono::seconds(1));
            state_->retry.async_wait([this](const ErrorCode& stopped) {
                if (!stopped) {
                    accept_next();
                }
            });
            return;
        }
        std::erase_if(state_->connections, [](const auto& weak) { return weak.expired(); });
        const PeerCheck check = check_peer(socket.native_handle(), host_);
        if (!check.allowed) {
            log_.log(Severity::warning,
                     fmt::format("control socket: the connection of uid {} is refused", check.uid));
        } else if (state_->connections.size() >= kMaxConnections) {
            log_.log(Severity::warning, "control socket: too many connections");
        } else {
            auto connection = std::make_shared<ControlConnection>(context_, std::move(socket));
            state_->connections.push_back(connection);
            connection->start();
        }
        accept_next();
    });
}

} // namespace ddsnap::daemon
