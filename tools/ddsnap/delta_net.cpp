// SPDX-License-Identifier: GPL-2.0
// ddsnap delta listen, transmit: a delta over a connection. Nobody is authenticated and nothing is encrypted;
// so the listener is on a Unix socket that only root reaches, for tunnels to lead to, unless it is told an
// address: then it is on TCP, as with 0.8.
//
//   transmit ── the stream, then end of file ──► listen
//            ◄── one line: "ok N", or "error CODE what went wrong" ──
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "tools/common/daemon.h"
#include "tools/common/host_name.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/ddsnap/commands.h"
#include "tools/ddsnap/delta_socket.h"
#include "tools/ddsnap/delta_stream.h"

namespace zumastor::ddsnap {
namespace {

using ::ddsnap::UniqueFd;

constexpr const char* kDefaultPort = "4321";
constexpr timeval kSilence{60, 0}; // a peer that says nothing for so long is given up
constexpr std::size_t kLongestReply = 4096;

struct Address {
    std::string host;
    std::string port = kDefaultPort;
};

Address parse_address(const std::string& text)
{
    const HostName host = HostName::need(text, "address");
    if (!host.user().empty()) {
        throw Failure(Exit::usage, "address: '" + host + "' names a user, but the connection has no login",
                      "give HOST, HOST:PORT or [ADDRESS]:PORT");
    }
    return {host.address(), host.port() == 0 ? kDefaultPort : std::to_string(host.port())};
}

// Names a Unix socket, and no host.
bool is_path(const std::string& text) { return text.starts_with('/'); }

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses look_up(const Address& address, int flags)
{
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
        error != 0) {
        throw Failure(Exit::peer_unreachable, address.host + ": " + ::gai_strerror(error));
    }
    return Addresses(list);
}

void set_limits(int fd)
{
    const int on = 1;
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kSilence, sizeof kSilence) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kSilence, sizeof kSilence) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0) {
        throw errno_failure("cannot set up a connection");
    }
}

UniqueFd listen_at(const Address& address)
{
    const Addresses list = look_up(address, AI_PASSIVE);
    UniqueFd fd(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(fd.get(), 1) != 0) {
        throw errno_failure("cannot listen at " + address.host + ", port " + address.port,
                            errno == EADDRINUSE ? Exit::busy : Exit::failed);
    }
    return fd;
}

UniqueFd connect_to_address(const Address& address, const std::optional<std::string>& local)
{
    const Addresses list = look_up(address, 0);
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
        UniqueFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!fd) {
            continue;
        }
        set_limits(fd.get()); // the limit for sending is one for connecting, too
        if (local) {
            const Addresses from = look_up({*local, "0"}, AI_PASSIVE);
            if (::bind(fd.get(), from->ai_addr, from->ai_addrlen) != 0) {
                throw errno_failure("cannot send from " + *local);
            }
        }
        if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) {
            return fd;
        }
    }
    throw errno_failure("nobody listens at " + address.host + ", port " + address.port,
                        Exit::peer_unreachable);
}

UniqueFd connect_to(const std::string& place, const std::optional<std::string>& local)
{
    if (!is_path(place)) {
        return connect_to_address(parse_address(place), local);
    }
    if (local) {
        throw Failure(Exit::usage,
                      "--source is a network address, but " + place + " is a socket of this host");
    }
    return connect_to_socket(place, set_limits);
}

// One connection. What goes wrong with it ends it, and is told to both sides.
Exit serve(int connection, const std::string& path)
{
    stream::FdSink reply(connection);
    const auto say = [&](std::string line) {
        line += "\n";
        (void)reply.write(std::as_bytes(std::span(line))); // a peer that has gone has no use for it
    };
    try {
        set_limits(connection);
        DeltaDevice device(path);
        stream::FdSource source(connection);
        stream::StreamReader reader(source);
        device.check(need_header(reader, "the connection"));
        const std::uint64_t chunks = device.apply(reader);
        std::printf("%" PRIu64 " chunks\n", chunks);
        std::fflush(stdout);
        say("ok " + std::to_string(chunks));
        return Exit::ok;
    } catch (const Failure& failure) {
        say("error " + std::to_string(static_cast<int>(failure.code())) + " " + failure.what());
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        report(failure.what(), failure.next());
        return failure.code();
    }
}

class Listener {
public:
    explicit Listener(const std::string& place) : place_(place)
    {
        if (is_path(place)) {
            socket_.emplace(place);
            return;
        }
        const Address address = parse_address(place);
        place_ = address.host + ", port " + address.port;
        tcp_ = listen_at(address);
    }
    int fd() const noexcept { return socket_ ? socket_->fd() : tcp_.get(); }
    std::string describe(const std::string& device) const
    {
        return place_ + (socket_ ? ": root of this host can overwrite " + device
                                 : ": whoever reaches it can overwrite " + device +
                                       " (nobody is authenticated, nothing encrypted)");
    }

private:
    std::string place_;
    std::optional<DeltaSocket> socket_;
    UniqueFd tcp_;
};

UniqueFd accept_one(int listener)
{
    for (;;) {
        pollfd wait{listener, POLLIN, 0};
        ::poll(&wait, 1, 1000); // a signal may come just before it
        check_interrupt();
        if ((wait.revents & POLLIN) == 0) {
            continue;
        }
        if (UniqueFd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)); connection) {
            return connection;
        }
        if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
            throw errno_failure("cannot take a connection");
        }
    }
}

// ---- transmit ----------------------------------------------------------------------------------

struct Transmit : OfDaemon, Level {
    std::string host;
    std::optional<std::string> from;
    std::string to;
    std::optional<std::string> progress;
    std::optional<std::string> source;
    std::optional<std::string> ratelimit;
};

struct DeltaListen {
    std::string stem;
    std::optional<std::string> address;
    bool once = false;
};

SnapshotEntry need_number(Daemon& daemon, const std::string& number, const std::string& socket)
{
    const auto snapshot = daemon.find(snapshot_number(number));
    if (!snapshot) {
        throw Failure(Exit::not_found, "snapshot " + number + " does not exist",
                      "see: ddsnap list " + socket);
    }
    if (snapshot->squashed) {
        throw Failure(Exit::failed, "snapshot " + number + " was squashed: its content is gone");
    }
    return *snapshot;
}

stream::RunSource whole(std::uint64_t all_chunks)
{
    return [all_chunks, done = false]() mutable -> std::optional<stream::ChunkRun> {
        return std::exchange(done, true) ? std::nullopt : std::optional(stream::ChunkRun{0, all_chunks});
    };
}

// Asked for step by step: memory is bounded however much has changed.
stream::RunSource changed(Daemon& daemon, const SnapshotEntry& from, const SnapshotEntry& to,
                          std::uint64_t all_chunks)
{
    return [&daemon, &from, &to, all_chunks, step = DeltaEntry{},
            at = std::size_t{0}]() mutable -> std::optional<stream::ChunkRun> {
        while (at == step.ranges.size() && !step.done) {
            step = daemon.delta_step(from, to, step.next);
            at = 0;
        }
        if (at == step.ranges.size() || step.ranges[at].first >= all_chunks) {
            return std::nullopt;
        }
        const DeltaRange range = step.ranges[at++];
        return stream::ChunkRun{range.first, std::min(range.count, all_chunks - range.first)};
    };
}

// -p: the file always holds one whole line.
class ProgressFile {
public:
    ProgressFile(std::optional<std::string> path, std::uint64_t total) : path_(std::move(path)), total_(total)
    {}
    void show(std::uint64_t chunks, bool last = false)
    {
        const auto now = Clock::now();
        if (path_ && (last || now >= next_)) {
            next_ = now + std::chrono::seconds(1);
            write_text(*path_, std::to_string(chunks) + " of " + std::to_string(total_) + " chunks\n");
        }
    }

private:
    using Clock = std::chrono::steady_clock;
    std::optional<std::string> path_;
    std::uint64_t total_;
    Clock::time_point next_ = Clock::now();
};

std::string read_reply(int fd)
{
    stream::FdSource source(fd);
    std::string line(kLongestReply, '\0');
    line.resize(source.read(std::as_writable_bytes(std::span(line))));
    return line.substr(0, line.find('\n'));
}

// The listener's word on it: only "ok" means that all is there.
void need_ok(const std::string& reply, const std::string& host)
{
    if (reply.starts_with("ok ")) {
        return;
    }
    constexpr std::string_view kError = "error ";
    if (!reply.starts_with(kError)) {
        throw Failure(Exit::peer_unreachable, host + ": the connection broke before the end was acknowledged",
                      "the device there may hold a part: send the same delta again");
    }
    int code = static_cast<int>(Exit::failed);
    const char* end = reply.data() + reply.size();
    const auto [rest, error] = std::from_chars(reply.data() + kError.size(), end, code);
    throw Failure(exit_of_peer(error == std::errc{} ? code : 0).value_or(Exit::failed),
                  host + ":" + std::string(rest, end));
}

stream::SendOptions options_from(const Transmit& given)
{
    stream::SendOptions options;
    if (const auto level = given.level) {
        options.compression = need_compression(*level);
    }
    if (const auto rate = given.ratelimit) {
        options.bytes_per_second = need_size(*rate, "rate limit");
    }
    return options;
}

Exit delta_listen(const DeltaListen& given)
{
    const std::string device = given.stem;
    {
        const DeltaDevice probe(device); // one that cannot be written to is found out now
    }
    const Listener listener(given.address.value_or(kDeltaSocket));
    (void)std::signal(SIGPIPE, SIG_IGN);
    note("listening at " + listener.describe(device));
    for (;;) {
        const UniqueFd connection = accept_one(listener.fd());
        const Exit result = serve(connection.get(), device);
        if (given.once) {
            return result;
        }
    }
}

Exit transmit(const Transmit& given)
{
    const std::string socket = given.socket;
    Daemon daemon(socket, "server " + socket);
    const SnapshotEntry to = need_number(daemon, given.to, socket);
    std::optional<SnapshotEntry> from;
    if (given.from) {
        from = need_number(daemon, *given.from, socket);
        if (from->epoch >= to.epoch) {
            throw Failure(Exit::usage, "snapshot " + *given.from + " is not older than " + given.to,
                          "give the older one first");
        }
    }
    const VolumeEntry volume = daemon.status();
    stream::Header header =
        delta_header(volume.uuid, volume.chunk_bytes, from ? from->uuid : UuidText{}, to.uuid, to.sectors);
    header.created_ns = to.created_ns;
    header.name = to.name;
    header.tag = to.tag;
    const auto runs = [&] {
        return from ? changed(daemon, *from, to, header.all_chunks()) : whole(header.all_chunks());
    };
    const stream::SendOptions options = options_from(given);
    (void)std::signal(SIGPIPE, SIG_IGN);
    const std::string place = given.host;
    try {
        SnapshotContent content(
            to.id, reader_options(daemon, "ddsnap transmit")); // open: it cannot be deleted meanwhile
        for (auto all = runs(); const auto run = all();) {
            header.chunks += run->count;
        }
        const UniqueFd connection = connect_to(place, given.source);
        stream::FdSink sink(connection.get());
        ProgressFile progress(given.progress, header.chunks);
        try {
            const auto sent =
                stream::send(header, runs(), content, sink, options, [&](const stream::SendProgress& p) {
                    check_interrupt();
                    progress.show(p.chunks);
                });
            (void)::shutdown(connection.get(), SHUT_WR);
            need_ok(read_reply(connection.get()), place);
            progress.show(sent.chunks, true);
            std::printf("%" PRIu64 " chunks in %" PRIu64 " bytes\n", sent.chunks, sent.bytes);
        } catch (const stream::SinkError&) {
            need_ok(read_reply(connection.get()), place); // it says why it has stopped reading, if it can
            throw;
        }
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, "server " + socket + ": " + error.what());
    }
    return Exit::ok;
}

constexpr auto kDeltaListenOptions = option_table<DeltaListen>(
    flag<&DeltaListen::once>("--once", "end after one connection, with its exit code"));
constexpr auto kTransmitOptions = option_table<Transmit>(
    value<&Transmit::progress>("-p,--progress", "FILE", "keep one line with the progress in FILE"),
    value<&Transmit::source>("-s,--source", "ADDR", "connect from this address of the host"),
    value<&Transmit::ratelimit>("-l,--ratelimit", "SIZE", "send at most so many bytes a second"),
    kLevelOption);

} // namespace

constexpr CommandSpec kDeltaListen = command<delta_listen>(
    "delta listen", arguments<&DeltaListen::stem, &DeltaListen::address>("DEVSTEM [ADDRESS]"),
    "Take deltas from connections to a socket (/run/ddsnap-delta.sock), or to HOST[:PORT], unauthenticated.",
    kDeltaListenOptions,
    Page{"On a socket that only root reaches, unless an address is given; then nobody "
         "is authenticated, and nothing encrypted.",
         "$ ddsnap delta listen /dev/mapper/copy --once"});
constexpr CommandSpec kTransmit = command<transmit>(
    "transmit",
    arguments<&Transmit::socket, &Transmit::host, &Transmit::from, &Transmit::to>(
        "SERVERSOCK HOST [FROM] TO"),
    "Send a snapshot, or what changed since FROM, to a listener at HOST[:PORT], or at a socket's path.",
    kTransmitOptions,
    Page{"Without FROM all of the snapshot is sent.",
         "$ ddsnap transmit /run/zumastor/data/server /run/tunnel.sock 7 8"});

} // namespace zumastor::ddsnap
