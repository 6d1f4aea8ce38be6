// SPDX-License-Identifier: GPL-2.0
// What the control socket asks for, besides create (barrier.cpp).
#include <algorithm>

#include <fmt/format.h>

#include "ddsnapd/service/core.h"

namespace ddsnap {

using snapstore::SnapshotId;
using snapstore::SnapshotInfo;
using Code = ServiceError::Code;

std::string_view name_of(ServiceError::Code code) noexcept
{
    static constexpr std::array<std::string_view, 13> kNames{
        "not_found", "exists", "busy",     "squashed", "invalid",  "no_space",   "io_error",
        "corrupt",   "failed", "stopping", "timeout",  "detached", "unsupported"};
    return kNames[static_cast<std::size_t>(code)];
}

ServiceError to_service_error(const snapstore::Error& error)
{
    using snapstore::Errc;
    const auto code = [&]() {
        switch (error.code) {
        case Errc::io_error:
            return Code::io_error;
        case Errc::no_space:
            return Code::no_space;
        case Errc::not_found:
            return Code::not_found;
        case Errc::exists:
            return Code::exists;
        case Errc::busy:
            return Code::busy;
        case Errc::squashed:
            return Code::squashed;
        case Errc::corrupt:
            return Code::corrupt;
        case Errc::unsupported:
            return Code::unsupported;
        case Errc::invalid:
        case Errc::too_small:
        case Errc::mismatch:
        case Errc::not_a_store:
        case Errc::other_origin:
            return Code::invalid;
        case Errc::stopping:
            return Code::stopping;
        case Errc::failed:
            return Code::failed;
        }
        return Code::failed;
    };
    const bool placed = error.code == Errc::io_error || error.code == Errc::corrupt ||
                        (error.code == Errc::failed && error.where != 0);
    return {code(),
            placed ? fmt::format("{} (at byte {})", error.what, error.where) : std::string(error.what)};
}

namespace {

template <class T>
ServiceResult<T> converted(snapstore::Result<T> result)
{
    if (!result) {
        return tl::unexpected(to_service_error(result.error()));
    }
    return ServiceResult<T>(std::move(result).value());
}

ServiceResult<void> converted(const snapstore::Result<void>& result)
{
    if (!result) {
        return tl::unexpected(to_service_error(result.error()));
    }
    return {};
}

ServiceResult<SnapshotInfo> found(const snapstore::Store& store, SnapshotId id)
{
    if (auto info = store.find(id)) {
        return std::move(*info);
    }
    return tl::unexpected(ServiceError{Code::not_found, fmt::format("there is no snapshot {}", id.value)});
}

} // namespace

// Invariant: while a snapshot is being deleted nobody can open it: what a client would be told of its
// chunks could be freed under it (SessionTest.DeleteIsRefusedWhileOpen).
ServiceCore::Task<ServiceResult<void>> ServiceCore::remove(SnapshotId id, bool force)
{
    const Operation operation(c_.events);
    while (removing) {
        co_await c_.events.room.wait();
    }
    removing = true;
    removed = id;
    auto result = co_await remove_unused(id, force);
    removing = false;
    c_.events.room.raise();
    c_.events.state_dirty = true;
    co_return result;
}

ServiceCore::Task<ServiceResult<void>> ServiceCore::remove_unused(SnapshotId id, bool force)
{
    co_await attachments.forget_gone();
    for (const auto& s : c_.sessions) {
        if (s->of_snapshot(id)) {
            co_return tl::unexpected(ServiceError{
                Code::busy, fmt::format("client {} has snapshot {} open", s->hello.name_view(), id.value)});
        }
    }
    for (const auto& a : c_.store.attachments()) {
        if (!a.origin && a.snapshot == id) {
            co_return tl::unexpected(ServiceError{
                Code::busy, fmt::format("client {} is out of reach and may still write to snapshot {}",
                                        a.name, id.value)});
        }
    }
    for (;;) {
        const auto info = found(c_.store, id);
        if (!info) {
            co_return tl::unexpected(info.error());
        }
        if (!force || info->use_count == 0) {
            co_return converted(co_await c_.store.remove(id));
        }
        // `invalid`: others have changed the count meanwhile; it is read again.
        const auto dropped = co_await c_.store.add_use(id, -static_cast<std::int64_t>(info->use_count));
        if (!dropped && dropped.error().code != snapstore::Errc::invalid) {
            co_return tl::unexpected(to_service_error(dropped.error()));
        }
    }
}

std::uint32_t VolumeService::sessions_of(SnapshotId id) const noexcept
{
    return static_cast<std::uint32_t>(std::count_if(core_->common.sessions.begin(),
                                                    core_->common.sessions.end(),
                                                    [&](const auto& s) { return s->of_snapshot(id); }));
}

std::vector<ClientInfo> VolumeService::clients() const
{
    std::vector<ClientInfo> result;
    for (const auto& s : core_->common.sessions) {
        if (!s->is(Session::State::open)) {
            continue;
        }
        const auto a = Attachments::of(*s);
        result.push_back({a.origin, a.snapshot, a.kind, a.name, a.major_or_pid, a.minor, true,
                          core_->attachments.recorded(a.client) != nullptr, s->hello.sectors});
    }
    for (const auto& a : core_->common.store.attachments()) {
        if (!core_->common.sessions.connected(a.client)) {
            result.push_back(
                {a.origin, a.snapshot, a.kind, a.name, a.major_or_pid, a.minor, false, true, {}});
        }
    }
    return result;
}

snapstore::Task<ServiceResult<SnapshotInfo>> VolumeService::create(snapstore::CreateOptions options,
                                                                   std::uint64_t deadline_ns)
{
    return core_->barrier.create(options, deadline_ns);
}

snapstore::Task<ServiceResult<void>> VolumeService::remove(SnapshotId id, bool force)
{
    return core_->remove(id, force);
}

snapstore::Task<ServiceResult<SnapshotInfo>> VolumeService::set_priority(SnapshotId id, std::int8_t priority)
{
    const Operation operation(core_->common.events);
    if (const auto done = co_await core_->common.store.set_priority(id, priority); !done) {
        co_return tl::unexpected(to_service_error(done.error()));
    }
    co_return found(core_->common.store, id);
}

snapstore::Task<ServiceResult<std::uint32_t>> VolumeService::add_use(SnapshotId id, std::int64_t difference)
{
    const Operation operation(core_->common.events);
    co_return converted(co_await core_->common.store.add_use(id, difference));
}

snapstore::Task<ServiceResult<void>> VolumeService::checkpoint()
{
    const Operation operation(core_->common.events);
    co_return converted(co_await core_->common.store.checkpoint());
}

snapstore::Task<ServiceResult<void>> VolumeService::quiesce(std::uint64_t deadline_ns)
{
    const Operation operation(core_->common.events);
    ++core_->hurried;
    ServiceResult<void> result;
    while (core_->common.store.info().sweeping && result) {
        if (core_->common.events.stopping) {
            result = tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
        } else if (core_->common.events.now >= deadline_ns) {
            result = tl::unexpected(ServiceError{Code::timeout, "deleted snapshots are still being swept"});
        } else {
            co_await core_->common.events.ticked.wait();
        }
    }
    --core_->hurried;
    co_return result;
}

snapstore::Task<ServiceResult<snapstore::CheckReport>> VolumeService::check(bool data)
{
    const Operation operation(core_->common.events);
    co_return converted(co_await core_->common.store.check(data));
}

} // namespace ddsnap
