// SPDX-License-Identifier: GPL-2.0
// The control socket: lines of JSON in, lines of JSON out, one request of a connection at a time.
//
// A connection that is slow to send or to read delays nobody else; one that goes away in the middle of a
// request does not stop the request. Partial lines are bounded.
#pragma once

#include <memory>

#include "ddsnapd/daemon/control_ops.h"
#include "ddsnapd/daemon/host.h"
#include "ddsnapd/daemon/listener.h"

namespace boost::asio {
class io_context;
}

namespace ddsnap::daemon {

class ControlServer {
public:
    ControlServer(boost::asio::io_context& io, ControlContext& context, ServiceLog& log, const Host& host);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    void accept_on(SocketFile& file);
    void stop_accepting();
    // Ends the connections: nothing may refer to the context afterwards but operations under way.
    void close();

private:
    friend class ControlConnection;
    struct State;

    void accept_next();

    ControlContext& context_;
    ServiceLog& log_;
    const Host host_;
    std::unique_ptr<State> state_;
};

} // namespace ddsnap::daemon
