// SPDX-License-Identifier: GPL-2.0
// The entry points, and who is told of a message.
#include "ddsnapd/service/volume_service.h"

#include <fmt/format.h>

#include "ddsnapd/service/core.h"

namespace ddsnap {

ServiceCore::ServiceCore(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                         const ServiceConfig& config, ClientProbe& probe, ServiceLog& log)
    : common(devices, store_config, config, log, *this, *this), attachments(common, probe),
      origin_writes(common), snapshot_requests(common), squash(common, attachments),
      barrier(common, attachments, origin_writes), origin_resize(common, attachments, origin_writes, barrier),
      store_resize(common, attachments), removal(common, attachments),
      handshake(common, attachments, squash, barrier, origin_resize, store_resize, removal)
{}

void ServiceCore::dispatch(Session& s, wire::Bytes message)
{
    const auto header = wire::Header::decode(message);
    switch (s.state) {
    case Session::State::greeting:
        if (header->type != wire::Type::hello) {
            common.sessions.protocol_error(
                s, fmt::format("the first message is {}, not HELLO", wire::name_of(header->type)));
            return;
        }
        handshake.on_hello(s, message);
        return;
    case Session::State::open:
        dispatch_open(s, *header, message);
        return;
    default:
        common.sessions.protocol_error(s, fmt::format("{} out of order", wire::name_of(header->type)));
    }
}

void ServiceCore::dispatch_open(Session& s, const wire::Header& header, wire::Bytes message)
{
    using wire::Type;
    const bool origin = s.hello.role == wire::Role::origin;
    switch (header.type) {
    case Type::write:
        return origin && s.writer() ? origin_writes.on_write(s, message)
                                    : common.sessions.protocol_error(s, "WRITE without the right to write");
    case Type::held:
        return barrier.on_held(s, message);
    case Type::snap_read:
    case Type::snap_write:
        return origin ? common.sessions.protocol_error(s, "snapshot request in an origin session")
                      : snapshot_requests.on_request(s, message);
    default:
        break;
    }
    const auto bare = wire::Bare::decode(message);
    if (!bare) {
        return common.sessions.protocol_error(
            s, fmt::format("{}: {}", wire::name_of(header.type), bare.error()));
    }
    switch (bare->type) {
    case Type::unlock:
        return origin ? common.sessions.protocol_error(s, "UNLOCK in an origin session")
                      : snapshot_requests.on_unlock(s, bare->id);
    case Type::invalid_ack:
        return squash.on_invalid_ack(s);
    case Type::bye:
        return handshake.on_bye(s);
    default:
        return common.sessions.protocol_error(
            s, fmt::format("a client must not send {}", wire::name_of(header.type)));
    }
}

// ---- VolumeService ----------------------------------------------------------------------------

VolumeService::VolumeService(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                             const ServiceConfig& config, ClientProbe& probe, ServiceLog& log)
    : core_(std::make_unique<ServiceCore>(devices, store_config, config, probe, log))
{}

VolumeService::~VolumeService() = default;

snapstore::Store& VolumeService::store() noexcept { return core_->common.store; }
snapstore::FramePool& VolumeService::frames() noexcept { return core_->frames(); }
const ServiceCounters& VolumeService::counters() const noexcept { return core_->common.counters; }

snapstore::Task<snapstore::Result<snapstore::OpenReport>> VolumeService::open()
{
    auto report = co_await core_->common.store.open();
    if (report) {
        core_->origin_writes.measure();
    }
    co_return report;
}

snapstore::Task<snapstore::Result<void>> VolumeService::close()
{
    core_->common.events.stopping = true;
    for (std::size_t i = 0; i < core_->common.sessions.size(); ++i) {
        core_->common.sessions.close(core_->common.sessions[i], "the daemon stops");
    }
    core_->common.store.space().stop_shrinking();
    core_->common.store.upkeep().stop_checks();
    core_->common.events.barrier_moved.raise();
    core_->common.events.ticked.raise();
    core_->common.events.run_pending();
    while (core_->common.events.operations > 0) {
        co_await core_->common.events.room.wait();
    }
    co_return co_await core_->common.store.close();
}

Session& VolumeService::connect(Transport& transport, const Peer& peer)
{
    core_->common.sessions.reap();
    return core_->common.sessions.add(transport, peer);
}

void VolumeService::on_bytes(Session& session, std::span<const std::byte> bytes)
{
    session.reader.feed(bytes);
    while (session.alive()) {
        const auto message = session.reader.next();
        if (!message) {
            break;
        }
        ++core_->common.counters.messages_in;
        core_->dispatch(session, *message);
    }
    if (session.alive() && session.reader.error() != nullptr) {
        core_->common.sessions.protocol_error(session, session.reader.error());
    }
    core_->common.events.run_pending();
}

void VolumeService::on_disconnect(Session& session, std::string_view reason)
{
    if (session.alive()) {
        core_->common.sessions.note(Severity::info, session, fmt::format("disconnected: {}", reason));
        core_->common.sessions.retire(session);
        core_->common.events.run_pending();
    }
}

void VolumeService::on_tick(std::uint64_t now_ns)
{
    core_->common.events.now = now_ns;
    core_->barrier.on_tick();
    core_->store_resize.on_tick();
    core_->squash.on_tick();
    core_->common.events.ticked.raise();
    core_->common.store.upkeep().tick(core_->hurried > 0);
    if (core_->common.store.upkeep().wants_refill()) {
        core_->common.store.upkeep().refill();
    }
    core_->common.events.run_pending();
    core_->common.sessions.reap();
}

std::optional<std::uint64_t> VolumeService::next_deadline() const noexcept
{
    return core_->barrier.deadline();
}

} // namespace ddsnap
