// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/data_server.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

namespace ddsnap::daemon {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using ErrorCode = boost::system::error_code;

namespace {
// Credits times the longest answer (64 * 800 bytes, 512 * 40 bytes), and room for what is sent unasked.
constexpr std::size_t kRing = std::size_t{64} << 10;
constexpr std::size_t kReadBuffer = std::size_t{64} << 10;
constexpr int kReadsPerTurn = 4; // then the other clients get their turn
constexpr auto kMemoryRetry = std::chrono::milliseconds(2);

// What has become of bytes to send.
enum class Sent {
    taken,     // all, or as much as the socket has room for
    no_memory, // the kernel has none at the moment, and on our sockets does not wait for any: later
    broken,    // the connection; errno says why
};
} // namespace

// One device's socket. Lives until its last handler has run.
class DataConnection final : public Transport, public std::enable_shared_from_this<DataConnection> {
public:
    DataConnection(DataServer& server, Socket socket)
        : server_(server), socket_(std::move(socket)), memory_(socket_.get_executor()), ring_(kRing),
          input_(kReadBuffer)
    {}

    void start(const Peer& peer)
    {
        session_ = &server_.service_.connect(*this, peer);
        wait_readable();
    }

    bool send(std::span<const std::byte> bytes) noexcept override
    {
        if (kRing - used_ < bytes.size()) {
            send_some();
            if (kRing - used_ < bytes.size()) {
                return false;
            }
        }
        const std::size_t end = (begin_ + used_) % kRing;
        const std::size_t part = std::min(bytes.size(), kRing - end);
        std::copy_n(bytes.begin(), part, ring_.begin() + static_cast<std::ptrdiff_t>(end));
        std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(part), bytes.end(), ring_.begin());
        used_ += bytes.size();
        if (!marked_) {
            marked_ = true;
            server_.mark(shared_from_this());
        }
        return true;
    }

    void close(std::string_view) noexcept override
    {
        session_ = nullptr;
        send_some();
        ErrorCode ignored; // closing is all that can be done
        socket_.close(ignored);
    }

    // From DataServer::flush().
    void flush()
    {
        marked_ = false;
        const Sent sent = send_some();
        if (sent == Sent::broken) {
            lost(std::strerror(errno));
        } else if (sent == Sent::no_memory) {
            wait_for_memory();
        } else if (used_ > 0) {
            wait_writable();
        }
    }

private:
    Sent send_some() noexcept
    {
        while (used_ > 0 && socket_.is_open()) {
            const std::size_t part = std::min(used_, kRing - begin_);
            std::array<iovec, 2> pieces{iovec{ring_.data() + begin_, part},
                                        iovec{ring_.data(), used_ - part}};
            msghdr message{};
            message.msg_iov = pieces.data();
            message.msg_iovlen = part < used_ ? 2 : 1;
            const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0) {
                if (errno == EINTR) {
                    continue;
                }
                if (errno == ENOBUFS || errno == ENOMEM) {
                    return Sent::no_memory;
                }
                return errno == EAGAIN ? Sent::taken : Sent::broken;
            }
            begin_ = (begin_ + static_cast<std::size_t>(n)) % kRing;
            used_ -= static_cast<std::size_t>(n);
        }
        return Sent::taken;
    }

    void wait_for_memory()
    {
        memory_.expires_after(kMemoryRetry); // one wait at a time: a new one ends the old
        memory_.async_wait([self = shared_from_this()](const ErrorCode& error) {
            if (!error) {
                self->flush();
            }
        });
    }

    void wait_writable()
    {
        if (waits_writable_ || !socket_.is_open()) {
            return;
        }
        waits_writable_ = true;
        socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& error) {
            self->waits_writable_ = false;
            if (!error) {
                self->flush();
            }
        });
    }

    void wait_readable()
    {
        if (!socket_.is_open()) {
            return;
        }
        socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
            if (!error) {
                self->read_some();
            }
        });
    }

    void read_some()
    {
        for (int i = 0; i < kReadsPerTurn && session_ != nullptr; ++i) {
            const ssize_t n = ::recv(socket_.native_handle(), input_.data(), input_.size(), MSG_DONTWAIT);
            if (n > 0) {
                server_.service_.on_bytes(*session_, std::span(input_).first(static_cast<std::size_t>(n)));
            } else if (n == 0) {
                return lost("the client has closed the connection");
            } else if (errno == EAGAIN) {
                break;
            } else if (errno != EINTR) {
                return lost(std::strerror(errno));
            }
        }
        wait_readable();
    }

    void lost(std::string_view reason)
    {
        if (Session* session = std::exchange(session_, nullptr); session != nullptr) {
            server_.service_.on_disconnect(*session, reason);
        }
        ErrorCode ignored;
        socket_.close(ignored);
    }

    DataServer& server_;
    Socket socket_;
    asio::steady_timer memory_;
    Session* session_ = nullptr; // null once the session is over
    std::vector<std::byte> ring_;
    std::size_t begin_ = 0;
    std::size_t used_ = 0;
    std::vector<std::byte> input_;
    bool marked_ = false;
    bool waits_writable_ = false;
};

struct DataServer::Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), retry(io) {}
    asio::local::stream_protocol::acceptor acceptor;
    asio::steady_timer retry;
};

DataServer::DataServer(asio::io_context& io, VolumeService& service, ServiceLog& log, const Host& host)
    : io_(io), service_(service), log_(log), host_(host)
{
    unsent_.reserve(1024);
    sending_.reserve(1024);
}

DataServer::~DataServer() = default;

void DataServer::accept_on(SocketFile& file)
{
    listener_ = std::make_unique<Listener>(io_);
    listener_->acceptor.assign(asio::local::stream_protocol(), file.release());
    accept_next();
}

void DataServer::stop_accepting() { listener_.reset(); }

void DataServer::accept_next()
{
    listener_->acceptor.async_accept([this](const ErrorCode& error, Socket socket) {
        if (error == asio::error::operation_aborted || !listener_) {
            return;
        }
        if (error) { // no descriptors or memory: later
            log_.log(Severity::warning, fmt::format("data socket: cannot accept: {}", error.message()));
            listener_->retry.expires_after(std::chrono::seconds(1));
            listener_->retry.async_wait([this](const ErrorCode& stopped) {
                if (!stopped) {
                    accept_next();
                }
            });
            return;
        }
        const PeerCheck check = check_peer(socket.native_handle(), host_);
        if (check.allowed) {
            use_reserves();
            std::make_shared<DataConnection>(*this, std::move(socket))->start(check.peer);
        } else {
            log_.log(Severity::warning,
                     fmt::format("data socket: the connection of uid {} is refused", check.uid));
        }
        accept_next();
    });
}

// Before the first request of a device: the module that the device is of has what this asks for.
void DataServer::use_reserves()
{
    if (uses_reserves_) {
        return;
    }
    const auto done = use_memory_reserves();
    uses_reserves_ = done.has_value();
    if (!done && !std::exchange(warned_of_reserves_, true)) {
        log_.log(
            Severity::warning,
            fmt::format("cannot use the kernel's memory reserves: {}. With swap on this volume the machine "
                        "could hang.",
                        done.error()));
    }
}

void DataServer::flush()
{
    while (!unsent_.empty()) {
        sending_.swap(unsent_);
        for (const auto& connection : sending_) {
            connection->flush();
        }
        sending_.clear();
    }
}

} // namespace ddsnap::daemon
