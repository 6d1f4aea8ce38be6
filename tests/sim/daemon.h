// SPDX-License-Identifier: GPL-2.0
// One life of the daemon: the real volume service with the real engine, on simulated disks and sockets. It
// is made anew after every crash, as a new process would be.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnapd/service/volume_service.h"
#include "sim/connection.h"
#include "sim/context.h"
#include "sim/disk.h"
#include "sim/port.h"

namespace sim {

struct Disks {
    Disk* origin = nullptr;
    Disk* store = nullptr;
    Disk* meta = nullptr; // may be null
};

class Daemon final : public ddsnap::ServiceLog {
public:
    Daemon(Context& context, const Disks& disks, const snapstore::StoreConfig& store_config,
           const ddsnap::ServiceConfig& service_config, ddsnap::ClientProbe& probe, std::string name);
    ~Daemon() override;

    // Opens the store; `opened` is called when that has succeeded.
    void start(std::function<void()> opened);
    // Ends without a word to anyone. Its I/O may still be executed.
    void kill(Death death);
    // The power goes after the daemon did: what it left with the disks is not executed any more.
    void power_lost();
    // In order: sessions end, the store is closed.
    void shut_down(std::function<void()> closed);

    bool dead() const noexcept { return dead_; }
    bool open() const noexcept { return open_ && !dead_; }
    std::size_t io_under_way() const noexcept;

    ddsnap::VolumeService& service() noexcept { return *service_; }
    snapstore::FramePool& frames() noexcept { return service_->frames(); }
    Micros now() const noexcept { return context_.scheduler.now(); }

    void accept(const std::shared_ptr<Connection>& connection, const ddsnap::Peer& peer);
    void log(ddsnap::Severity severity, std::string_view text) noexcept override;

private:
    class Link;

    snapstore::Task<void> run_open(std::function<void()> opened);
    snapstore::Task<void> run_close(std::function<void()> closed);
    void tick();
    void unwind();

    Context& context_;
    std::string name_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::unique_ptr<ddsnap::VolumeService> service_;
    std::list<std::unique_ptr<Link>> links_;
    bool open_ = false;
    bool dead_ = false;
};

} // namespace sim
