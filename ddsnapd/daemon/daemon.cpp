// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/daemon.h"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <csignal>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "ddsnapd/daemon/allocations.h"
#include "ddsnapd/daemon/control_server.h"
#include "ddsnapd/daemon/data_server.h"
#include "ddsnapd/daemon/disks.h"
#include "ddsnapd/daemon/host.h"
#include "ddsnapd/daemon/log.h"
#include "ddsnapd/daemon/open_report.h"
#include "ddsnapd/daemon/opening_watch.h"
#include "ddsnapd/daemon/start_failure.h"
#include "ddsnapd/daemon/store_watch.h"
#include "ddsnapd/disk/origin_identity.h"

namespace ddsnap::daemon {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kOpeningTick{1000};
constexpr milliseconds kTick{100};
constexpr milliseconds kBusyTick{5}; // while a snapshot is taken, deleted ones are swept, the store shrinks

std::uint64_t steady_ns()
{
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

class Daemon {
public:
    Daemon(const Options& options, Disks& disks, Log& log, const Host& host);

    tl::expected<void, StartFailure> start();
    int run(Detached& parent);
    snapstore::FramePool& frames() { return service_.frames(); }

private:
    void turn();
    void run_until(const bool& done);
    snapstore::Task<void> open_store(bool& done);
    snapstore::Task<void> close_store(bool& done);
    void wait_for_disks();
    void wait_for_signal();
    void tell_opening();
    void wait_for_hangup();
    void schedule_tick();
    void say_ready();
    void stop();

    const Options& options_;
    Disks& disks_;
    Log& log_;
    asio::io_context io_{1};
    asio::posix::stream_descriptor disk_events_;
    asio::steady_timer tick_;
    asio::signal_set signals_;
    asio::signal_set hangup_; // our terminal is gone, which is nothing to us, or the log was moved away
    HostProbe probe_;
    VolumeService service_;
    ControlContext context_;
    DataServer data_;
    ControlServer control_;
    std::optional<SocketFile> data_file_;
    std::optional<SocketFile> control_file_;
    std::optional<std::string> failure_;
    std::uint64_t watchdog_ns_ = 0; // how often systemd wants to hear of us; 0 = never
    std::uint64_t next_watchdog_ = 0;
    StoreWatch watch_;
    OpeningWatch opening_;
    bool stopping_ = false;
    bool closed_ = false; // the store: nothing may be asked of it any more
};

snapstore::StoreConfig store_config(const Options& options, const Disks& disks)
{
    snapstore::StoreConfig config;
    config.node_cache = snapstore::Bytes{options.cache_bytes};
    config.snapshot_first = options.snapshot_first;
    config.origin_identity = identity_of_device(disks.origin.fd.get());
    return config;
}

Daemon::Daemon(const Options& options, Disks& disks, Log& log, const Host& host)
    : options_(options), disks_(disks), log_(log), disk_events_(io_, ::dup(disks.ring.event_fd())),
      tick_(io_), signals_(io_, SIGTERM, SIGINT), hangup_(io_, SIGHUP), probe_(host, disks.origin.device),
      service_(disks.devices(), store_config(options, disks), ServiceConfig{}, probe_, log),
      context_{.service = service_,
               .snapshot_first = options.snapshot_first,
               .store = options.store,
               .origin = options.origin,
               .meta = options.meta,
               .data_socket = options.data_socket,
               .started_ns = steady_ns(),
               .now = steady_ns,
               .stopping = [this]() { return stopping_; },
               .shut_down = [this]() { stopping_ = true; },
               .measure = [this]() { return measure_disks(disks_); },
               .log_dropped = [this]() { return log_.dropped(); },
               .io_errors = [this]() { return disks_.ring.errors(); },
               .allocations = allocation_counter()},
      data_(io_, service_, log, host), control_(io_, context_, log, host),
      watch_(service_.store(), options, log)
{
    std::uint64_t watchdog_us = 0;
    if (::sd_watchdog_enabled(0, &watchdog_us) > 0) {
        watchdog_ns_ = watchdog_us * 1000 / 3;
    }
}

snapstore::Task<void> Daemon::open_store(bool& done)
{
    const auto report = co_await service_.open();
    if (report) {
        tell_opened(*report, options_, log_);
    } else if (report.error().code == snapstore::Errc::stopping) {
        closed_ = true; // it has never been open
    } else {
        failure_ = cannot_open(report.error(), service_.store(), options_, disks_);
    }
    done = true;
}

snapstore::Task<void> Daemon::close_store(bool& done)
{
    if (const std::string now = identity_of_device(disks_.origin.fd.get()); !now.empty()) {
        service_.store().origin().set_identity(now); // it may have got another filesystem
    }
    if (const auto closed = co_await service_.close(); !closed) {
        failure_ = fmt::format("cannot close the store {}: {}", options_.store,
                               to_service_error(closed.error()).message);
    }
    done = true;
}

void Daemon::wait_for_disks()
{
    disk_events_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const ErrorCode& error) {
        if (!error) {
            disks_.ring.reap();
            wait_for_disks();
        }
    });
}

void Daemon::wait_for_signal()
{
    signals_.async_wait([this](const ErrorCode& error, int number) {
        if (!error) {
            log_.log(Severity::info, fmt::format("stopping: {}", ::strsignal(number)));
            stopping_ = true;
            service_.store().stop_opening();
        }
    });
}

// Every second, until schedule_tick() takes the timer.
void Daemon::tell_opening()
{
    if (const std::string told = opening_.look(disks_.ring.bytes_moved()); !told.empty()) {
        (void)::sd_notify(0, told.c_str());
    }
    tick_.expires_after(kOpeningTick);
    tick_.async_wait([this](const ErrorCode& error) {
        if (!error) {
            tell_opening();
        }
    });
}

void Daemon::wait_for_hangup()
{
    hangup_.async_wait([this](const ErrorCode& error, int /*number*/) {
        if (!error) {
            log_.reopen();
            wait_for_hangup();
        }
    });
}

void Daemon::schedule_tick()
{
    const bool busy =
        service_.next_deadline().has_value() || service_.store().info().sweeping || service_.shrinking();
    tick_.expires_after(busy ? kBusyTick : kTick);
    tick_.async_wait([this](const ErrorCode& error) {
        if (error || closed_) {
            return;
        }
        const std::uint64_t now = steady_ns();
        service_.on_tick(now);
        watch_.look();
        if (watchdog_ns_ != 0 && now >= next_watchdog_) {
            next_watchdog_ = now + watchdog_ns_;
            (void)::sd_notify(0, "WATCHDOG=1");
        }
        schedule_tick();
    });
}

void Daemon::turn()
{
    disks_.ring.flush();
    data_.flush();
    io_.run_one();
    io_.poll();
}

void Daemon::run_until(const bool& done)
{
    while (!done) {
        turn();
    }
}

tl::expected<void, StartFailure> Daemon::start()
{
    wait_for_disks();
    wait_for_signal();
    wait_for_hangup();
    log_.log(Severity::info, "opening the snapshot store");
    tell_opening();
    bool opened = false;
    snapstore::spawn(frames(), open_store(opened));
    run_until(opened);
    if (failure_) {
        return tl::unexpected(StartFailure{*failure_});
    }
    if (stopping_) {
        return {};
    }
    service_.on_tick(steady_ns());
    watch_.begin();
    schedule_tick();
    auto data = SocketFile::listen(options_.data_socket);
    if (!data) {
        return tl::unexpected(StartFailure{data.error()});
    }
    data_file_.emplace(std::move(*data));
    auto control = SocketFile::listen(options_.control_socket);
    if (!control) {
        return tl::unexpected(StartFailure{control.error()});
    }
    control_file_.emplace(std::move(*control));
    data_.accept_on(*data_file_);
    control_.accept_on(*control_file_);
    return {};
}

void Daemon::say_ready()
{
    const auto info = service_.store().info();
    log_.log(Severity::info,
             fmt::format("ready: {} snapshots, epoch {}, {} of {} chunks free", info.snapshots,
                         info.epoch.value, info.free_chunks, info.store_chunks));
    (void)::sd_notify(0, fmt::format("READY=1\nSTATUS=Serving {}", options_.origin).c_str());
}

// Sockets first, so that clients come back to a successor; then the sessions, the operations, the store.
void Daemon::stop()
{
    (void)::sd_notify(0, "STOPPING=1");
    data_.stop_accepting();
    control_.stop_accepting();
    data_file_.reset();
    control_file_.reset();
    if (!closed_) {
        snapstore::spawn(frames(), close_store(closed_));
    }
    run_until(closed_);
    data_.flush();
    io_.poll(); // the last answers of the control socket
    control_.close();
    tick_.cancel();
    signals_.cancel();
    hangup_.cancel();
    disk_events_.close();
    io_.restart();
    io_.run(); // the handlers of what was closed: they own their connections
}

int Daemon::run(Detached& parent)
{
    if (stopping_) {
        parent.failed("stopped before it was ready");
    } else {
        say_ready();
        parent.ready();
    }
    run_until(stopping_);
    stop();
    if (failure_) {
        log_.log(Severity::error, *failure_);
        return EXIT_FAILURE;
    }
    log_.log(Severity::info, "stopped");
    return EXIT_SUCCESS;
}

} // namespace

int run_daemon(const Options& options, Detached& parent)
{
    const auto fail = [&](const StartFailure& failure) {
        (void)::sd_notify(0, ("STATUS=" + failure.message).c_str());
        parent.failed(failure.message);
        return failure.for_now ? kTryAgain : EXIT_FAILURE;
    };
    auto log = Log::open(options.log_file);
    if (!log) {
        return fail(StartFailure{log.error()});
    }
    (*log)->log(Severity::info,
                fmt::format("ddsnapd " ZUMASTOR_VERSION " starts: store {}, origin {}, metadata {}",
                            options.store, options.origin, options.meta.value_or("on the store")));
    const Host host = read_host();
    Disks disks;
    if (auto opened = open_disks(options, disks, **log); !opened) {
        (*log)->log(Severity::error, opened.error().message);
        return fail(opened.error());
    }
    protect_process(**log);
    Daemon daemon(options, disks, **log, host);
    auto started = daemon.start();
    if (started && !options.pid_file.empty()) {
        if (auto written = write_pid_file(options.pid_file); !written) {
            started = tl::unexpected(StartFailure{written.error()});
        }
    }
    if (!started) {
        (*log)->log(Severity::error, started.error().message);
        return fail(started.error());
    }
    const int status = daemon.run(parent);
    if (!options.pid_file.empty()) {
        (void)::unlink(options.pid_file.c_str());
    }
    return status;
}

} // namespace ddsnap::daemon
