// SPDX-License-Identifier: GPL-2.0
#include "sim/daemon.h"

#include <algorithm>
#include <utility>

namespace sim {
namespace {

constexpr Micros kTick = 1000;
constexpr std::size_t kSendLimit = 1U << 20U; // of unsent bytes: a client that reads as slowly is cut off
constexpr int kUnwindLimit = 1'000'000;

} // namespace

// A connection at the daemon's end: a bounded queue in front of the socket, as the real shell has.
class Daemon::Link final : public ddsnap::Transport, public Endpoint {
public:
    Link(Daemon& daemon, std::shared_ptr<Connection> connection)
        : daemon_(daemon), connection_(std::move(connection))
    {
        connection_->attach(Side::daemon, this);
    }

    void begin(const ddsnap::Peer& peer) { session_ = &daemon_.service_->connect(*this, peer); }

    bool send(std::span<const std::byte> bytes) noexcept override
    {
        if (daemon_.dead_ || unsent_.size() + bytes.size() > kSendLimit) {
            return daemon_.dead_;
        }
        unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
        push();
        return true;
    }

    void close(std::string_view reason) noexcept override
    {
        daemon_.context_.trace("{}: closes a session: {}", daemon_.name_, reason);
        session_ = nullptr;
        closing_ = true;
        push();
    }

    void received(std::span<const std::byte> bytes) override
    {
        if (session_ != nullptr) {
            daemon_.service_->on_bytes(*session_, bytes);
        }
    }

    void disconnected() override
    {
        connection_->close(Side::daemon);
        if (session_ != nullptr) {
            daemon_.service_->on_disconnect(*std::exchange(session_, nullptr), "the peer has closed");
        }
    }

    void writable() override { push(); }

    void end(Death death)
    {
        if (death == Death::power) {
            connection_->cut();
        } else {
            connection_->close(Side::daemon);
        }
    }

private:
    void push()
    {
        if (!unsent_.empty()) {
            const std::size_t sent = connection_->send(Side::daemon, unsent_);
            unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent));
        }
        if (closing_ && unsent_.empty()) {
            connection_->close(Side::daemon);
        }
    }

    Daemon& daemon_;
    std::shared_ptr<Connection> connection_;
    ddsnap::Session* session_ = nullptr;
    std::vector<std::byte> unsent_;
    bool closing_ = false;
};

Daemon::Daemon(Context& context, const Disks& disks, const snapstore::StoreConfig& store_config,
               const ddsnap::ServiceConfig& service_config, ddsnap::ClientProbe& probe, std::string name)
    : context_(context), name_(std::move(name))
{
    snapstore::Devices devices;
    const auto add = [&](Disk* disk) -> Port* {
        return disk == nullptr ? nullptr : ports_.emplace_back(std::make_unique<Port>(context, *disk)).get();
    };
    devices.origin = add(disks.origin);
    devices.store = add(disks.store);
    devices.meta = add(disks.meta);
    service_ = std::make_unique<ddsnap::VolumeService>(devices, store_config, service_config, probe, *this);
}

Daemon::~Daemon()
{
    if (!dead_) {
        kill(Death::process);
    }
}

void Daemon::start(std::function<void()> opened)
{
    context_.trace("{}: starts", name_);
    snapstore::spawn(frames(), run_open(std::move(opened)));
    tick();
}

snapstore::Task<void> Daemon::run_open(std::function<void()> opened)
{
    const auto report = co_await service_->open();
    if (dead_) {
        co_return;
    }
    if (!report) {
        context_.fail(fmt::format("{}: open failed: {} (code {}, at {})", name_, report.error().what,
                                  static_cast<int>(report.error().code), report.error().where));
        co_return;
    }
    context_.trace("{}: open, {} records replayed, {} blocks discarded", name_, report->replayed_records,
                   report->discarded_blocks);
    open_ = true;
    opened();
}

void Daemon::shut_down(std::function<void()> closed)
{
    open_ = false;
    snapstore::spawn(frames(), run_close(std::move(closed)));
}

snapstore::Task<void> Daemon::run_close(std::function<void()> closed)
{
    const auto result = co_await service_->close();
    if (dead_) {
        co_return;
    }
    if (!result) {
        context_.fail(fmt::format("{}: close failed: {}", name_, result.error().what));
    }
    closed();
}

void Daemon::tick()
{
    if (dead_) {
        return;
    }
    if (open_) {
        if (service_->store().upkeep().wants_refill()) {
            service_->store().upkeep().refill();
        }
        service_->on_tick(context_.scheduler.now() * 1000);
    }
    context_.scheduler.after(context_.rng.between(kTick / 2, kTick), [this] { tick(); });
}

void Daemon::accept(const std::shared_ptr<Connection>& connection, const ddsnap::Peer& peer)
{
    links_.push_back(std::make_unique<Link>(*this, connection));
    links_.back()->begin(peer);
}

std::size_t Daemon::io_under_way() const noexcept
{
    std::size_t sum = 0;
    for (const auto& port : ports_) {
        sum += port->under_way();
    }
    return sum;
}

void Daemon::kill(Death death)
{
    context_.trace("{}: killed", name_);
    dead_ = true;
    for (const auto& link : links_) {
        link->end(death);
    }
    for (const auto& port : ports_) {
        port->kill(death);
    }
    unwind();
    service_.reset();
}

void Daemon::power_lost()
{
    for (const auto& port : ports_) {
        port->drop_orphaned();
    }
}

// The process is gone; what follows happens to nobody. All of its I/O fails, so that its coroutines come to
// their ends and free what they hold.
void Daemon::unwind()
{
    int steps = 0;
    for (bool more = true; more;) {
        more = false;
        for (const auto& port : ports_) {
            while (port->fail_one()) {
                more = true;
                if (++steps > kUnwindLimit) {
                    return context_.fail("operations never end although every I/O fails");
                }
            }
        }
    }
}

void Daemon::log(ddsnap::Severity severity, std::string_view text) noexcept
{
    if (!dead_) {
        context_.trace("{}: [{}] {}", name_, static_cast<int>(severity), text);
    }
}

} // namespace sim
