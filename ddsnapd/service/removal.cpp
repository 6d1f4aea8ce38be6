// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/removal.h"

#include <fmt/format.h>

namespace ddsnap {

using snapstore::SnapshotId;
using Code = ServiceError::Code;

snapstore::Task<ServiceResult<void>> Removal::remove(SnapshotId id, bool force)
{
    const Operation operation(c_.events);
    while (removing_) {
        co_await c_.events.room.wait();
    }
    removing_ = true;
    removed_ = id;
    auto result = co_await remove_unused(id, force);
    removing_ = false;
    c_.events.room.raise();
    c_.events.state_dirty = true;
    co_return result;
}

snapstore::Task<ServiceResult<void>> Removal::remove_unused(SnapshotId id, bool force)
{
    co_await attachments_.forget_gone();
    for (const auto& s : c_.sessions) {
        if (s->of_snapshot(id)) {
            co_return tl::unexpected(ServiceError{
                Code::busy, fmt::format("client {} has snapshot {} open", s->hello.name_view(), id.value)});
        }
    }
    for (const auto& a : c_.store.clients().attachments()) {
        if (!a.origin && a.snapshot == id) {
            co_return tl::unexpected(ServiceError{
                Code::busy, fmt::format("client {} is out of reach and may still write to snapshot {}",
                                        a.name, id.value)});
        }
    }
    for (;;) {
        const auto info = find_snapshot(c_.store, id);
        if (!info) {
            co_return tl::unexpected(info.error());
        }
        if (!force || info->use_count == 0) {
            co_return converted(co_await c_.store.snapshots().remove(id));
        }
        // `invalid`: others have changed the count meanwhile; it is read again.
        const auto dropped =
            co_await c_.store.snapshots().add_use(id, -static_cast<std::int64_t>(info->use_count));
        if (!dropped && dropped.error().code != snapstore::Errc::invalid) {
            co_return tl::unexpected(to_service_error(dropped.error()));
        }
    }
}

} // namespace ddsnap
