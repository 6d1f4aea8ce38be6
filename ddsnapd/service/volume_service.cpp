// SPDX-License-Identifier: GPL-2.0
// Entry points, sending, the end of sessions.
#include "ddsnapd/service/volume_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "ddsnapd/service/core.h"

namespace ddsnap {

ServiceCore::ServiceCore(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                         const ServiceConfig& its_config, ClientProbe& its_probe, ServiceLog& its_log)
    : config(its_config), probe(its_probe), service_log(its_log), store(devices, store_config, *this)
{
    sessions.reserve(1024);
    unreleased.reserve(1024);
    // A WRITE needs three frames: the spawned one, serve_write() and copy_out().
    frames().reserve(std::size_t{config.origin_credits} * 3, 512);
}

ServiceCore::Operation::Operation(ServiceCore& core, Session* session) noexcept
    : core_(core), session_(session)
{
    ++core_.operations;
    if (session_ != nullptr) {
        ++session_->operations;
    }
}

ServiceCore::Operation::~Operation()
{
    --core_.operations;
    if (session_ != nullptr) {
        --session_->operations;
    }
    core_.room.raise();
    core_.settle();
}

void ServiceCore::note(Severity severity, const Session& s, std::string_view text)
{
    const std::string_view name = s.hello.name_view();
    if (s.is(Session::State::greeting)) {
        service_log.log(severity, fmt::format("session {}: {}", s.number, text));
    } else if (s.hello.role == wire::Role::origin) {
        service_log.log(severity, fmt::format("session {} (origin, {}): {}", s.number, name, text));
    } else {
        service_log.log(severity, fmt::format("session {} (snapshot {}, {}): {}", s.number,
                                              s.hello.snapshot.value, name, text));
    }
}

void ServiceCore::log(int severity, std::string_view text) noexcept
{
    service_log.log(static_cast<Severity>(std::clamp(severity, 0, static_cast<int>(Severity::error))), text);
}

void ServiceCore::send(Session& s, wire::Bytes bytes)
{
    if (s.transport == nullptr) {
        return;
    }
    ++counters.messages_out;
    if (!s.transport->send(bytes)) {
        ++counters.slow_clients;
        note(Severity::warning, s, "closed: the client does not read what it is sent");
        end(s, "the client does not read what it is sent");
    }
}

// The end of a session by the daemon.
void ServiceCore::end(Session& s, std::string_view reason)
{
    if (!s.alive()) {
        return;
    }
    Transport* transport = s.transport;
    retire(s);
    transport->close(reason);
}

// Invariant: a session's read locks end with it, but for those of a SNAP_WRITE that the engine is copying:
// its copy of the origin's content must not mix with a later write
// (SessionTest.LocksEndWithTheSession).
void ServiceCore::retire(Session& s)
{
    s.transport = nullptr;
    s.state = Session::State::dead;
    for (std::uint32_t i = 0; s.slots && i < config.snapshot_credits; ++i) {
        if (s.slots[i].used && !s.slots[i].write) {
            locks.unlock(s.slots[i].lock);
        }
    }
    unlocked.raise();
    barrier_moved.raise();
    release_dirty = true;
}

void ServiceCore::protocol_error(Session& s, std::string_view why)
{
    ++counters.protocol_errors;
    note(Severity::warning, s, fmt::format("closed: {}", why));
    end(s, why);
}

void ServiceCore::reap()
{
    std::erase_if(sessions, [](const auto& s) { return !s->alive() && s->operations == 0; });
}

void ServiceCore::settle()
{
    if (settling) {
        return;
    }
    settling = true;
    for (bool again = true; again;) {
        again = false;
        if (state_dirty) {
            state_dirty = false;
            announce_state();
        }
        if (release_dirty) {
            release_dirty = false;
            release_squashed();
        }
        if (unlocked.deliver()) {
            again = true;
            state_dirty = true; // see needs_no_grants()
        }
        again |= barrier_moved.deliver();
        again |= room.deliver();
        again |= ticked.deliver();
        again |= state_dirty || release_dirty;
    }
    settling = false;
}

void ServiceCore::dispatch(Session& s, wire::Bytes message)
{
    const auto header = wire::Header::decode(message);
    switch (s.state) {
    case Session::State::greeting:
        if (header->type != wire::Type::hello) {
            protocol_error(s, fmt::format("the first message is {}, not HELLO", wire::name_of(header->type)));
            return;
        }
        on_hello(s, message);
        return;
    case Session::State::open:
        dispatch_open(s, *header, message);
        return;
    default:
        protocol_error(s, fmt::format("{} out of order", wire::name_of(header->type)));
    }
}

void ServiceCore::dispatch_open(Session& s, const wire::Header& header, wire::Bytes message)
{
    using wire::Type;
    const bool origin = s.hello.role == wire::Role::origin;
    switch (header.type) {
    case Type::write:
        return origin && s.writer() ? on_write(s, message)
                                    : protocol_error(s, "WRITE without the right to write");
    case Type::held:
        return on_held(s, message);
    case Type::snap_read:
    case Type::snap_write:
        return origin ? protocol_error(s, "snapshot request in an origin session")
                      : on_snapshot_request(s, message);
    default:
        break;
    }
    const auto bare = wire::Bare::decode(message);
    if (!bare) {
        return protocol_error(s, fmt::format("{}: {}", wire::name_of(header.type), bare.error()));
    }
    switch (bare->type) {
    case Type::unlock:
        return origin ? protocol_error(s, "UNLOCK in an origin session") : on_unlock(s, bare->id);
    case Type::invalid_ack:
        return on_invalid_ack(s);
    case Type::bye:
        return on_bye(s);
    default:
        return protocol_error(s, fmt::format("{} is not a client's to send", wire::name_of(header.type)));
    }
}

// ---- VolumeService ----------------------------------------------------------------------------

VolumeService::VolumeService(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
                             const ServiceConfig& config, ClientProbe& probe, ServiceLog& log)
    : core_(std::make_unique<ServiceCore>(devices, store_config, config, probe, log))
{}

VolumeService::~VolumeService() = default;

snapstore::Store& VolumeService::store() noexcept { return core_->store; }
snapstore::FramePool& VolumeService::frames() noexcept { return core_->frames(); }
const ServiceCounters& VolumeService::counters() const noexcept { return core_->counters; }

snapstore::Task<snapstore::Result<snapstore::OpenReport>> VolumeService::open()
{
    auto report = co_await core_->store.open();
    if (report) {
        core_->count_origin_chunks();
    }
    co_return report;
}

snapstore::Task<snapstore::Result<void>> VolumeService::close()
{
    core_->stopping = true;
    for (std::size_t i = 0; i < core_->sessions.size(); ++i) {
        core_->end(*core_->sessions[i], "the daemon stops");
    }
    core_->store.stop_shrinking();
    core_->barrier_moved.raise();
    core_->ticked.raise();
    core_->settle();
    while (core_->operations > 0) {
        co_await core_->room.wait();
    }
    co_return co_await core_->store.close();
}

Session& VolumeService::connect(Transport& transport, const Peer& peer)
{
    core_->reap();
    core_->sessions.push_back(std::make_unique<Session>(++core_->last_session, transport, peer));
    return *core_->sessions.back();
}

void VolumeService::on_bytes(Session& session, std::span<const std::byte> bytes)
{
    session.reader.feed(bytes);
    while (session.alive()) {
        const auto message = session.reader.next();
        if (!message) {
            break;
        }
        ++core_->counters.messages_in;
        core_->dispatch(session, *message);
    }
    if (session.alive() && session.reader.error() != nullptr) {
        core_->protocol_error(session, session.reader.error());
    }
    core_->settle();
}

void VolumeService::on_disconnect(Session& session, std::string_view reason)
{
    if (session.alive()) {
        core_->note(Severity::info, session, fmt::format("disconnected: {}", reason));
        core_->retire(session);
        core_->settle();
    }
}

void VolumeService::on_tick(std::uint64_t now_ns)
{
    core_->now = now_ns;
    if (core_->barrier == ServiceCore::Barrier::collecting || core_->moving) {
        core_->barrier_moved.raise();
    }
    if (!core_->unreleased.empty() && now_ns >= core_->next_probe) {
        core_->next_probe = now_ns + core_->config.probe_interval_ns;
        core_->release_dirty = true;
    }
    core_->end_unresponsive();
    core_->ticked.raise();
    core_->store.tick(core_->hurried > 0);
    if (core_->store.wants_refill()) {
        core_->store.refill();
    }
    core_->settle();
    core_->reap();
}

std::optional<std::uint64_t> VolumeService::next_deadline() const noexcept
{
    if (core_->barrier != ServiceCore::Barrier::collecting) {
        return std::nullopt;
    }
    return core_->create_deadline;
}

} // namespace ddsnap
