// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/daemon.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "ddsnapd/daemon/allocations.h"
#include "ddsnapd/daemon/control_server.h"
#include "ddsnapd/daemon/data_server.h"
#include "ddsnapd/daemon/fill_watch.h"
#include "ddsnapd/daemon/host.h"
#include "ddsnapd/daemon/io_ring.h"
#include "ddsnapd/daemon/log.h"
#include "ddsnapd/daemon/opening_watch.h"
#include "ddsnapd/daemon/start_failure.h"
#include "ddsnapd/daemon/witness.h"
#include "ddsnapd/disk/origin_identity.h"

namespace ddsnap::daemon {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLockPatience{10'000};
constexpr milliseconds kOpeningTick{1000};
constexpr milliseconds kTick{100};
constexpr milliseconds kBusyTick{5}; // while a snapshot is taken, deleted ones are swept, the store shrinks

std::uint64_t steady_ns()
{
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

struct Disks {
    DiskFile origin;
    DiskFile store;
    std::optional<DiskFile> meta;
    std::optional<DiskFile> witness;
    IoRing ring;

    // As they are in the ring: in the order in which open_disks() gives them to it.
    snapstore::Devices devices()
    {
        std::size_t next = 2;
        snapstore::BlockDevice* metadata = meta ? &ring.disk(next++) : nullptr;
        return {&ring.disk(0), &ring.disk(1), metadata, witness ? &ring.disk(next) : nullptr};
    }
};

tl::expected<void, StartFailure> open_disks(const Options& options, Disks& disks, ServiceLog& log)
{
    const auto open_into = [&](DiskFile& to, const std::string& path, Exclusive exclusive) {
        auto disk = open_disk(path, exclusive, kLockPatience);
        if (!disk) {
            return tl::expected<void, StartFailure>{tl::unexpected(disk.error())};
        }
        if (!disk->direct) {
            log.log(Severity::warning,
                    path + ": O_DIRECT is not possible here; I/O goes through the page cache");
        }
        to = std::move(*disk);
        return exclusive == Exclusive::no ? tl::expected<void, StartFailure>{} : lock_disk(to, kLockPatience);
    };
    if (auto done = open_into(disks.origin, options.origin, Exclusive::no); !done) {
        return done;
    }
    if (auto done = open_into(disks.store, options.store, Exclusive::lock); !done) {
        return done;
    }
    std::vector<const DiskFile*> files{&disks.origin, &disks.store};
    if (options.meta) {
        disks.meta.emplace();
        if (auto done = open_into(*disks.meta, *options.meta, Exclusive::alone); !done) {
            return done;
        }
        files.push_back(&*disks.meta);
    }
    auto witness = open_witness(options.witness, *files.back(), disks.origin, disks.store, log);
    if (!witness) {
        return tl::unexpected(witness.error());
    }
    disks.witness = std::move(*witness);
    if (disks.witness) {
        files.push_back(&*disks.witness);
    }
    return disks.ring.open(files);
}

std::string measure_disks(Disks& disks)
{
    std::vector<const DiskFile*> files{&disks.origin, &disks.store}; // as in open_disks()
    if (disks.meta) {
        files.push_back(&*disks.meta);
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto size = measure_disk(*files[i]);
        if (!size) {
            return size.error();
        }
        disks.ring.set_size(i, *size);
    }
    return {};
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
    std::string cannot_open(const snapstore::Error& error);
    void tell_opened(const snapstore::OpenReport& report);
    snapstore::Task<void> close_store(bool& done);
    void wait_for_disks();
    void wait_for_signal();
    void tell_opening();
    void wait_for_hangup();
    void schedule_tick();
    void watch_store();
    void tell_squashed();
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
    FillWatch chunks_watch_;
    FillWatch metadata_watch_;
    std::uint64_t squashes_told_ = 0;
    std::set<std::uint64_t> squashed_; // those that are known
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
      context_{service_,
               options.snapshot_first,
               options.store,
               options.origin,
               options.meta,
               options.data_socket,
               steady_ns(),
               steady_ns,
               [this]() { return stopping_; },
               [this]() { stopping_ = true; },
               [this]() { return measure_disks(disks_); },
               [this]() { return log_.dropped(); },
               [this]() { return disks_.ring.errors(); },
               allocation_counter()},
      data_(io_, service_, log, host), control_(io_, context_, log, host), chunks_watch_(options.warn_at),
      metadata_watch_(options.warn_at)
{
    std::uint64_t watchdog_us = 0;
    if (::sd_watchdog_enabled(0, &watchdog_us) > 0) {
        watchdog_ns_ = watchdog_us * 1000 / 3;
    }
}

std::string Daemon::cannot_open(const snapstore::Error& error)
{
    if (error.code != snapstore::Errc::other_origin) {
        return fmt::format("cannot open the store {}: {}", options_.store, to_service_error(error).message);
    }
    const std::string now = identity_of_device(disks_.origin.fd.get());
    const std::string_view before = service_.store().origin_identity();
    return fmt::format(
        "store {} on origin {}: {} (it is: {}; it was: {}). Was a disk renamed? If it is meant, a "
        "restored disk for example: zumastor accept origin VOL",
        options_.store, options_.origin, error.what, now.empty() ? "not known" : now,
        before.empty() ? "not known" : before);
}

void Daemon::tell_opened(const snapstore::OpenReport& report)
{
    if (!report.clean) {
        log_.log(Severity::info, "Replaying journal");
        log_.log(Severity::info, fmt::format("{} records replayed, {} blocks discarded",
                                             report.replayed_records, report.discarded_blocks));
    }
    if (report.lost > 0) {
        log_.log(
            Severity::error,
            fmt::format("{} snapshots are lost: the store had failed, and the origin was written without "
                        "copies",
                        report.lost));
    }
    if (report.origin_differing > 0) {
        log_.log(Severity::error,
                 fmt::format("the origin {} has changed while it was not served: {} of {} places that were "
                             "compared hold something else. Was it written past the volume? Snapshots "
                             "are wrong where they share them",
                             options_.origin, report.origin_differing, report.origin_compared));
    }
    if (report.origin_renamed) {
        log_.log(Severity::info,
                 fmt::format("the origin {} is another device than before, with the same content",
                             options_.origin));
    }
}

snapstore::Task<void> Daemon::open_store(bool& done)
{
    const auto report = co_await service_.open();
    if (report) {
        tell_opened(*report);
    } else if (report.error().code == snapstore::Errc::stopping) {
        closed_ = true; // it has never been open
    } else {
        failure_ = cannot_open(report.error());
    }
    done = true;
}

snapstore::Task<void> Daemon::close_store(bool& done)
{
    if (const std::string now = identity_of_device(disks_.origin.fd.get()); !now.empty()) {
        service_.store().set_origin_identity(now); // it may have got another filesystem
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
        watch_store();
        if (watchdog_ns_ != 0 && now >= next_watchdog_) {
            next_watchdog_ = now + watchdog_ns_;
            (void)::sd_notify(0, "WATCHDOG=1");
        }
        schedule_tick();
    });
}

// Warnings while something can still be done, and what happened if nothing was.
void Daemon::watch_store()
{
    const auto info = service_.store().info();
    const std::uint64_t chunks = info.store_chunks - info.free_chunks - info.pending_chunks;
    const char* then = options_.snapshot_first ? "writes to the origin fail" : "snapshots are given up";
    if (const auto mark = chunks_watch_.look(chunks, info.store_chunks)) {
        log_.log(
            Severity::warning,
            fmt::format("the snapshot store is {} % full: {} of {} chunks are used. When it is full, {}; "
                        "delete some snapshots, or enlarge it",
                        *mark, chunks, info.store_chunks, then));
    }
    const std::uint64_t blocks = info.meta_blocks - info.free_meta_blocks;
    if (const auto mark = metadata_watch_.look(blocks, info.meta_blocks)) {
        log_.log(Severity::warning,
                 fmt::format(
                     "the snapshot store's metadata are {} % full: {} of {} blocks are used. When they are "
                     "full, {}; delete some snapshots",
                     *mark, blocks, info.meta_blocks, then));
    }
    if (service_.store().counters().squashed != squashes_told_) {
        squashes_told_ = service_.store().counters().squashed;
        tell_squashed();
    }
}

void Daemon::tell_squashed()
{
    const char* why = service_.store().info().failed ? "the store failed" : "the store had no room for it";
    std::set<std::uint64_t> now;
    for (const auto& snapshot : service_.store().list()) {
        if (snapshot.state == snapstore::SnapshotState::squashed) {
            now.insert(snapshot.id.value);
            if (squashed_.count(snapshot.id.value) == 0) {
                log_.log(Severity::error,
                         fmt::format("snapshot {} was given up: {}", snapshot.id.value, why));
            }
        }
    }
    squashed_ = std::move(now);
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
    for (const auto& snapshot : service_.store().list()) {
        if (snapshot.state == snapstore::SnapshotState::squashed) {
            squashed_.insert(snapshot.id.value); // told by the daemon that was there then
        }
    }
    squashes_told_ = service_.store().counters().squashed;
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
