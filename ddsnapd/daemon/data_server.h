// SPDX-License-Identifier: GPL-2.0
// The data socket: accepts devices and carries bytes between their sockets and the volume service.
//
// Nobody waits for a client: what is to be sent goes into a ring of fixed size per connection, and into
// the socket when that takes it. A client that lets its ring overflow is disconnected: by the protocol its
// unread answers are bounded by its credits, for which the ring has room.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ddsnapd/daemon/host.h"
#include "ddsnapd/daemon/listener.h"
#include "ddsnapd/service/volume_service.h"

namespace boost::asio {
class io_context;
}

namespace ddsnap::daemon {

class DataConnection;

class DataServer {
public:
    DataServer(boost::asio::io_context& io, VolumeService& service, ServiceLog& log, const Host& host);
    ~DataServer();
    DataServer(const DataServer&) = delete;
    DataServer& operator=(const DataServer&) = delete;

    // Begins to accept. The file stays the caller's.
    void accept_on(SocketFile& file);
    void stop_accepting();
    // Sends what the connections' rings hold; once a turn of the loop.
    void flush();

private:
    friend class DataConnection;
    struct Listener;

    void accept_next();
    void use_reserves();
    void mark(const std::shared_ptr<DataConnection>& connection) { unsent_.push_back(connection); }

    boost::asio::io_context& io_;
    VolumeService& service_;
    ServiceLog& log_;
    const Host host_;
    std::unique_ptr<Listener> listener_;
    bool uses_reserves_ = false;
    bool warned_of_reserves_ = false;
    std::vector<std::shared_ptr<DataConnection>> unsent_;  // connections with bytes in their rings
    std::vector<std::shared_ptr<DataConnection>> sending_; // of flush(), kept for its memory
};

} // namespace ddsnap::daemon
