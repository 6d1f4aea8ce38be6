// SPDX-License-Identifier: GPL-2.0
// A thread that keeps one client connected to the daemon's data socket: it carries bytes, reconnects when
// the connection breaks, and answers HOLD while the application does something else.
//
// The client's pure core is guarded by mutex(): whoever calls into it holds the mutex, the thread does.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ddsnapd/client/protocol_client.h"
#include "ddsnapd/disk/unique_fd.h"

namespace ddsnap::client {

class Link final : public Outlet {
public:
    Link(ProtocolClient& client, std::string socket_path);
    ~Link() override; // breaks the connection off, as a crash would
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    std::mutex& mutex() noexcept { return mutex_; }
    // Notified when anything about the client may have changed.
    std::condition_variable& changed() noexcept { return changed_; }

    // While one lives, what is sent waits for its end, so that many messages go at once. Its owner holds the
    // mutex all the time.
    class Cork {
    public:
        explicit Cork(Link& link) noexcept : link_(link) { link_.corked_ = true; }
        ~Cork() { link_.uncork(); }
        Cork(const Cork&) = delete;
        Cork& operator=(const Cork&) = delete;

    private:
        Link& link_;
    };

    // Breaks the connection off; the thread connects again after `pause`.
    void interrupt(std::chrono::milliseconds pause = std::chrono::milliseconds{0});

private:
    void send(std::span<const std::byte> bytes) override;
    void hang_up(std::string_view reason) override;
    bool stands() noexcept override;

    void uncork();
    void send_output();
    void run();
    bool connect();
    void serve();
    bool flush();
    void wake() noexcept;
    void wait(int timeout_ms, short socket_events);

    ProtocolClient& client_;
    const std::string path_;
    std::mutex mutex_;
    std::condition_variable changed_;
    UniqueFd socket_;
    UniqueFd wake_;
    std::vector<std::byte> output_;
    bool hung_up_ = false;
    bool corked_ = false;
    std::chrono::steady_clock::time_point not_before_{};
    std::atomic<bool> stop_ = false;
    std::thread::id thread_id_; // the thread's own note: it may run before thread_ is assigned
    std::thread thread_;
};

} // namespace ddsnap::client
