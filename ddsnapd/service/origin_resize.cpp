// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/origin_resize.h"

#include <fmt/format.h>

namespace ddsnap {

using snapstore::Sectors;
using Code = ServiceError::Code;

ServiceResult<void> OriginResize::refuse_longer_clients(Sectors size) const
{
    for (const auto& s : c_.sessions) {
        const bool origin = s->alive() && s->state > Session::State::greeting && s->origin_writer();
        if (origin && s->hello.sectors > size) {
            return tl::unexpected(
                ServiceError{Code::busy, fmt::format("origin client {} has {} sectors: make it shorter first",
                                                     s->hello.name_view(), s->hello.sectors.value)});
        }
    }
    for (const auto& a : c_.store.clients().attachments()) {
        if (a.origin && !c_.sessions.connected(a.client)) {
            return tl::unexpected(ServiceError{
                Code::detached, fmt::format("origin client {} is out of reach and may still write", a.name)});
        }
    }
    return {};
}

snapstore::Task<ServiceResult<void>> OriginResize::change(Sectors size)
{
    const bool shrinks = size < c_.store.info().origin_size;
    if (shrinks) {
        co_await attachments_.forget_gone();
        if (auto refused = refuse_longer_clients(size); !refused) {
            co_return refused;
        }
        new_end_ = size;
    }
    const auto done = co_await c_.store.origin().resize(size);
    new_end_.reset();
    origin_writes_.measure();
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

snapstore::Task<ServiceResult<void>> OriginResize::resize(Sectors size)
{
    const Operation operation(c_.events);
    if (c_.events.stopping) {
        co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
    }
    if (auto busy = barrier_.begin_resize()) {
        co_return tl::unexpected(std::move(*busy));
    }
    auto result = co_await change(size);
    barrier_.end_resize();
    co_return result;
}

} // namespace ddsnap
