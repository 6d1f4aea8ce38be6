// SPDX-License-Identifier: GPL-2.0
// The length of the origin. The store does the work; what is left is who may still use the end that goes.
//
// Invariants, for a shrink:
//   No origin client is longer than the new length when the store begins, and none is welcomed from then on:
//   the mapped device is made shorter first. (ResizeServiceTest)
//   It is answered only when no snapshot reader has a lock on chunks beyond the new end: what was told
//   `origin` before the copies were durable is read there. (ResizeServiceTest.ShrinkWaitsForReaders)
#include <fmt/format.h>

#include "ddsnapd/service/core.h"

namespace ddsnap {

using snapstore::Sectors;
using Code = ServiceError::Code;

ServiceResult<void> ServiceCore::refuse_longer_clients(Sectors size) const
{
    for (const auto& s : c_.sessions) {
        const bool origin = s->alive() && s->state > Session::State::greeting && s->origin_writer();
        if (origin && s->hello.sectors > size) {
            return tl::unexpected(
                ServiceError{Code::busy, fmt::format("origin client {} has {} sectors: make it shorter first",
                                                     s->hello.name_view(), s->hello.sectors.value)});
        }
    }
    for (const auto& a : c_.store.attachments()) {
        if (a.origin && !c_.sessions.connected(a.client)) {
            return tl::unexpected(ServiceError{
                Code::detached, fmt::format("origin client {} is out of reach and may still write", a.name)});
        }
    }
    return {};
}

ServiceCore::Task<ServiceResult<void>> ServiceCore::change_origin(Sectors size)
{
    const bool shrinks = size < c_.store.info().origin_size;
    if (shrinks) {
        co_await attachments.forget_gone();
        if (auto refused = refuse_longer_clients(size); !refused) {
            co_return refused;
        }
        new_end = size;
    }
    const auto done = co_await c_.store.resize_origin(size);
    new_end.reset();
    origin_writes.measure();
    if (!done) {
        ServiceError error = to_service_error(done.error());
        if (error.code == Code::no_space) {
            error.message +=
                fmt::format(": {} chunks, {} are free", done.error().where, c_.store.info().free_chunks);
        }
        co_return tl::unexpected(std::move(error));
    }
    const std::uint64_t per_chunk =
        (std::uint64_t{1} << c_.store.info().chunk_shift) / snapstore::kSectorSize.value;
    while (shrinks && !c_.events.stopping && c_.locks.any_from(snapstore::Chunk{size.value / per_chunk})) {
        co_await c_.events.unlocked.wait();
    }
    co_return ServiceResult<void>{};
}

ServiceCore::Task<ServiceResult<void>> ServiceCore::resize_origin(Sectors size)
{
    const Operation operation(c_.events);
    if (c_.events.stopping) {
        co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
    }
    if (auto busy = barrier.begin_resize()) {
        co_return tl::unexpected(std::move(*busy));
    }
    auto result = co_await change_origin(size);
    barrier.end_resize();
    co_return result;
}

snapstore::Task<ServiceResult<void>> VolumeService::resize_origin(Sectors size)
{
    return core_->resize_origin(size);
}

snapstore::Task<ServiceResult<void>> VolumeService::resize_meta(snapstore::Bytes size)
{
    const Operation operation(core_->common.events);
    if (core_->common.events.stopping) {
        co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
    }
    const auto done = co_await core_->common.store.resize_meta(size);
    if (done) {
        co_return ServiceResult<void>{};
    }
    ServiceError error = to_service_error(done.error());
    if (error.code == Code::no_space && done.error().where > 0) {
        error.message += fmt::format(": a metadata device of {} bytes at the least", done.error().where);
    }
    co_return tl::unexpected(std::move(error));
}

} // namespace ddsnap
