// SPDX-License-Identifier: GPL-2.0
// What the control socket asks for.
#include "ddsnapd/service/volume_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "ddsnapd/service/core.h"

namespace ddsnap {

using snapstore::SnapshotId;
using snapstore::SnapshotInfo;
using Code = ServiceError::Code;

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
    for (const auto& a : core_->common.store.clients().attachments()) {
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
    return core_->removal.remove(id, force);
}

snapstore::Task<ServiceResult<void>> VolumeService::resize_origin(snapstore::Sectors size)
{
    return core_->origin_resize.resize(size);
}

snapstore::Task<ServiceResult<void>> VolumeService::resize_store(snapstore::Bytes size)
{
    return core_->store_resize.resize(size);
}

snapstore::Task<ServiceResult<void>> VolumeService::resize_meta(snapstore::Bytes size)
{
    return core_->store_resize.resize_meta(size);
}

bool VolumeService::shrinking() const noexcept { return core_->store_resize.shrinking(); }

snapstore::Task<ServiceResult<SnapshotInfo>> VolumeService::set_priority(SnapshotId id, std::int8_t priority)
{
    const Operation operation(core_->common.events);
    if (const auto done = co_await core_->common.store.snapshots().set_priority(id, priority); !done) {
        co_return tl::unexpected(to_service_error(done.error()));
    }
    co_return find_snapshot(core_->common.store, id);
}

snapstore::Task<ServiceResult<std::uint32_t>> VolumeService::add_use(SnapshotId id, std::int64_t difference)
{
    const Operation operation(core_->common.events);
    co_return converted(co_await core_->common.store.snapshots().add_use(id, difference));
}

snapstore::Task<ServiceResult<void>> VolumeService::checkpoint()
{
    const Operation operation(core_->common.events);
    co_return converted(co_await core_->common.store.upkeep().checkpoint());
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
    co_return converted(co_await core_->common.store.upkeep().check(data));
}

} // namespace ddsnap
