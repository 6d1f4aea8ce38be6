// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/devices.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "ddsnapd/disk/disk_batch.h"

namespace ddsnap::client {

using snapstore::Chunk;
using snapstore::ChunkRange;
using wire::Status;
using State = ProtocolClient::State;

namespace {

ClientOptions options_for(const DeviceOptions& options, std::uint64_t bytes)
{
    ClientOptions result;
    result.client = options.client;
    result.sectors = snapstore::Sectors{bytes / 512};
    result.read_only = options.read_only;
    result.name = options.name;
    return result;
}

ChunkRange chunks_of(std::uint64_t offset, std::size_t length, std::uint32_t chunk)
{
    const std::uint64_t first = offset / chunk;
    const std::uint64_t last = (offset + length - 1) / chunk;
    return {Chunk{first}, static_cast<std::uint32_t>(last - first + 1)};
}

bool aligned(std::uint64_t offset, std::size_t length)
{
    return offset % 512 == 0 && length % 512 == 0 && length > 0;
}

// Waits for the first WELCOME.
tl::expected<void, std::string> await_welcome(ProtocolClient& client, Link& link,
                                              std::chrono::milliseconds timeout)
{
    std::unique_lock lock(link.mutex());
    const bool answered = link.changed().wait_for(
        lock, timeout, [&]() { return client.is_open() || client.refusal().id != 0; });
    if (client.is_open()) {
        return {};
    }
    return tl::unexpected(answered ? "refused: " + std::string(client.refusal().text_view())
                                   : std::string("no daemon answers at the data socket"));
}

bool say_bye(ProtocolClient& client, Link& link, std::chrono::milliseconds timeout)
{
    std::unique_lock lock(link.mutex());
    return link.changed().wait_for(lock, timeout, [&]() {
        client.bye(); // again after a reconnect
        return client.state() == State::left;
    });
}

} // namespace

snapstore::Uuid random_client_id()
{
    snapstore::Uuid id{};
    while (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
        if (errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
    }
    return id;
}

// ---- origin -----------------------------------------------------------------------------------

class OriginDevice::Write final : public OriginWrite {
public:
    using OriginWrite::OriginWrite;
    void issue() override { issued = true; }
    void failed(Status why) override { status = why; }
    bool decided() const noexcept { return issued || status != Status::ok; }

    bool issued = false;
    Status status = Status::ok;
};

OriginDevice::OriginDevice(const DeviceOptions& options, RawDisk origin)
    : options_(options), origin_(std::move(origin))
{
    client_ =
        std::make_unique<OriginClient>((origin_.size() + 4095) / 4096, options_for(options, origin_.size()));
    link_ = std::make_unique<Link>(*client_, options.data_socket);
}

OriginDevice::~OriginDevice() = default;

tl::expected<std::unique_ptr<OriginDevice>, std::string> OriginDevice::open(const DeviceOptions& options)
{
    auto origin = RawDisk::open(options.origin, options.read_only);
    if (!origin) {
        return tl::unexpected(origin.error());
    }
    std::unique_ptr<OriginDevice> device(new OriginDevice(options, std::move(*origin)));
    if (auto welcome = await_welcome(*device->client_, *device->link_, options.timeout); !welcome) {
        return tl::unexpected(welcome.error());
    }
    device->chunk_ = device->chunk_size();
    return device;
}

Status OriginDevice::write(std::uint64_t offset, std::span<const std::byte> data)
{
    if (!aligned(offset, data.size()) || offset + data.size() > size()) {
        return Status::range;
    }
    std::unique_lock lock(link_->mutex());
    Write w(chunks_of(offset, data.size(), chunk_));
    client_->submit(w);
    link_->changed().wait(lock, [&]() { return w.decided(); });
    if (!w.issued) {
        return w.status;
    }
    lock.unlock();
    const bool written = origin_.write(offset, data);
    lock.lock();
    client_->completed(w);
    return written ? Status::ok : Status::io;
}

Status OriginDevice::read(std::uint64_t offset, std::span<std::byte> data)
{
    if (!aligned(offset, data.size()) || offset + data.size() > size()) {
        return Status::range;
    }
    return origin_.read(offset, data) ? Status::ok : Status::io;
}

Status OriginDevice::flush() { return origin_.flush() ? Status::ok : Status::io; }
bool OriginDevice::bye() { return say_bye(*client_, *link_, options_.timeout); }

std::uint32_t OriginDevice::chunk_size()
{
    const std::lock_guard lock(link_->mutex());
    return client_->chunk_size();
}

std::uint64_t OriginDevice::queries()
{
    const std::lock_guard lock(link_->mutex());
    return client_->queries();
}

std::uint64_t OriginDevice::sessions()
{
    const std::lock_guard lock(link_->mutex());
    return client_->sessions();
}

snapstore::Epoch OriginDevice::epoch()
{
    const std::lock_guard lock(link_->mutex());
    return client_->epoch();
}

// ---- snapshot ---------------------------------------------------------------------------------

class SnapshotDevice::Io final : public SnapshotIo {
public:
    Io(ChunkRange chunks, bool is_write, std::uint64_t at, std::span<std::byte> into,
       std::span<const std::byte> from)
        : SnapshotIo(chunks, is_write), offset(at), input(into), output(from)
    {}
    void perform(std::span<const snapstore::Extent> places) override
    {
        extents.assign(places.begin(), places.end());
    }
    void done(Status how) override
    {
        ended = true;
        status = how;
    }
    std::size_t length() const noexcept { return write ? output.size() : input.size(); }

    const std::uint64_t offset;
    const std::span<std::byte> input;
    const std::span<const std::byte> output;
    std::vector<snapstore::Extent> extents; // to be read or written; empty: none
    bool good = true;                       // what was performed of it
    bool ended = false;
    Status status = Status::ok;
};

SnapshotDevice::SnapshotDevice(snapstore::SnapshotId snapshot, const DeviceOptions& options, RawDisk origin,
                               RawDisk store)
    : options_(options), origin_(std::move(origin)), store_(std::move(store))
{
    client_ = std::make_unique<SnapshotClient>(snapshot, options_for(options, 0));
    link_ = std::make_unique<Link>(*client_, options.data_socket);
}

SnapshotDevice::~SnapshotDevice() = default;

tl::expected<std::unique_ptr<SnapshotDevice>, std::string>
SnapshotDevice::open(snapstore::SnapshotId snapshot, const DeviceOptions& options)
{
    auto origin = RawDisk::open(options.origin, true);
    if (!origin) {
        return tl::unexpected(origin.error());
    }
    auto store = RawDisk::open(options.store, options.read_only);
    if (!store) {
        return tl::unexpected(store.error());
    }
    std::unique_ptr<SnapshotDevice> device(
        new SnapshotDevice(snapshot, options, std::move(*origin), std::move(*store)));
    if (auto welcome = await_welcome(*device->client_, *device->link_, options.timeout); !welcome) {
        return tl::unexpected(welcome.error());
    }
    device->chunk_ = device->chunk_size();
    return device;
}

namespace {

// The part of [offset, offset + length) that lies in the extent: where in the caller's buffer, and where on
// the disk.
struct Slice {
    std::uint64_t in_buffer;
    std::uint64_t on_disk;
    std::size_t length;
};

Slice slice_of(const snapstore::Extent& e, std::uint64_t chunk, std::uint64_t offset, std::size_t length)
{
    const std::uint64_t begin = e.first.value * chunk;
    const std::uint64_t from = std::max(begin, offset);
    const std::uint64_t to = std::min(begin + e.count * chunk, offset + length);
    if (to <= from) {
        return {0, 0, 0};
    }
    const std::uint64_t base = e.kind == snapstore::Extent::Kind::store ? to_bytes(e.sector).value : begin;
    return {from - offset, base + (from - begin), static_cast<std::size_t>(to - from)};
}

} // namespace

// Reads or writes what the daemon has let them have.
void SnapshotDevice::perform(std::span<Io* const> ios) const
{
    std::vector<DiskOp> ops;
    std::vector<Io*> owners;
    for (Io* io : ios) {
        for (const auto& e : io->extents) {
            const Slice p = slice_of(e, chunk_, io->offset, io->length());
            if (p.length == 0) {
                continue;
            }
            if (!io->write && e.kind == snapstore::Extent::Kind::zero) {
                const auto zeros = io->input.subspan(p.in_buffer, p.length);
                std::fill(zeros.begin(), zeros.end(), std::byte{0});
                continue;
            }
            const RawDisk& disk = io->write || e.kind == snapstore::Extent::Kind::store ? store_ : origin_;
            ops.push_back(io->write
                              ? DiskOp::write(disk, p.on_disk, io->output.subspan(p.in_buffer, p.length))
                              : DiskOp::read(disk, p.on_disk, io->input.subspan(p.in_buffer, p.length)));
            owners.push_back(io);
        }
    }
    const std::vector<std::size_t> order = disk_order(ops); // they came in the order of their chunks
    std::vector<DiskOp> sorted;
    sorted.reserve(ops.size());
    for (const std::size_t i : order) {
        sorted.push_back(ops[i]);
    }
    run_all(sorted);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        owners[order[i]]->good &= sorted[i].error == 0;
    }
}

// Who has been answered does not wait for the others: they may wait for a write that waits for it.
Status SnapshotDevice::run(std::deque<Io>& ios)
{
    std::unique_lock lock(link_->mutex());
    {
        const Link::Cork cork(*link_);
        for (Io& io : ios) {
            client_->submit(io);
        }
    }
    std::vector<Io*> ready;
    for (;;) {
        const auto answered = [](const Io& io) { return !io.ended && !io.extents.empty(); };
        const auto ended = [](const Io& io) { return io.ended; };
        link_->changed().wait(lock, [&]() {
            return std::any_of(ios.begin(), ios.end(), answered) ||
                   std::all_of(ios.begin(), ios.end(), ended);
        });
        ready.clear();
        for (Io& io : ios) {
            if (answered(io)) {
                ready.push_back(&io);
            }
        }
        if (ready.empty()) {
            const auto failed =
                std::find_if(ios.begin(), ios.end(), [](const Io& io) { return io.status != Status::ok; });
            return failed == ios.end() ? Status::ok : failed->status;
        }
        lock.unlock();
        perform(ready);
        lock.lock();
        const Link::Cork cork(*link_);
        for (Io* io : ready) {
            io->extents.clear();
            client_->performed(*io, std::exchange(io->good, true) ? Status::ok : Status::io);
        }
    }
}

Status SnapshotDevice::read(std::span<const Part> parts)
{
    std::deque<Io> ios;
    const std::uint64_t end = size();
    for (const Part& part : parts) {
        if (!aligned(part.offset, part.data.size()) || part.offset + part.data.size() > end) {
            return Status::range;
        }
        ios.emplace_back(chunks_of(part.offset, part.data.size(), chunk_), false, part.offset, part.data,
                         std::span<const std::byte>{});
    }
    return run(ios);
}

Status SnapshotDevice::read(std::uint64_t offset, std::span<std::byte> data)
{
    const Part part{offset, data};
    return read({&part, 1});
}

Status SnapshotDevice::write(std::uint64_t offset, std::span<const std::byte> data)
{
    if (!aligned(offset, data.size()) || offset + data.size() > size()) {
        return Status::range;
    }
    std::deque<Io> ios;
    ios.emplace_back(chunks_of(offset, data.size(), chunk_), true, offset, std::span<std::byte>{}, data);
    return run(ios);
}

Status SnapshotDevice::flush() { return store_.flush() ? Status::ok : Status::io; }
bool SnapshotDevice::bye() { return say_bye(*client_, *link_, options_.timeout); }

std::uint32_t SnapshotDevice::chunk_size()
{
    const std::lock_guard lock(link_->mutex());
    return client_->chunk_size();
}

bool SnapshotDevice::squashed()
{
    const std::lock_guard lock(link_->mutex());
    return client_->squashed();
}

bool SnapshotDevice::may_cache()
{
    const std::lock_guard lock(link_->mutex());
    return client_->may_cache();
}

std::uint64_t SnapshotDevice::size()
{
    const std::lock_guard lock(link_->mutex());
    return to_bytes(client_->welcome().sectors).value;
}

} // namespace ddsnap::client
