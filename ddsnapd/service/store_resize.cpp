// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/store_resize.h"

#include <algorithm>

#include <fmt/format.h>

namespace ddsnap {

using snapstore::Bytes;
using snapstore::Errc;
using snapstore::SnapshotId;
using Code = ServiceError::Code;

namespace {
bool drained(const wire::Hello& hello) noexcept { return (hello.features & DDSNAP_FEATURE_DRAINED) != 0; }
} // namespace

void StoreResize::on_tick()
{
    if (moving_) {
        c_.events.barrier_moved.raise();
    }
}

bool StoreResize::held_back(const Session& s) const noexcept
{
    return moving_ && s.writer() && s.of_snapshot(*moving_);
}

// Why the snapshot's writers are not held yet; nothing: they are.
std::optional<ServiceError> StoreResize::writes_on(SnapshotId id) const
{
    for (const auto& s : c_.sessions) {
        if (s->alive() && held_back(*s) && !s->is(Session::State::opening)) {
            return ServiceError{Code::busy, fmt::format("client {} still has snapshot {} open",
                                                        s->hello.name_view(), id.value)};
        }
    }
    for (const auto& a : c_.store.clients().attachments()) {
        if (a.origin || a.snapshot != id) {
            continue;
        }
        const auto s = std::find_if(c_.sessions.begin(), c_.sessions.end(),
                                    [&](const auto& each) { return each->of_client(a.client); });
        if (s == c_.sessions.end()) {
            return ServiceError{Code::detached,
                                fmt::format("client {} is out of reach and may still write to snapshot {}",
                                            a.name, id.value)};
        }
        if (!drained((*s)->hello)) {
            return ServiceError{
                Code::busy,
                fmt::format("client {} cannot say that its writes to snapshot {} have ended (an older "
                            "dm-ddsnap?): close the snapshot first",
                            a.name, id.value)};
        }
    }
    return std::nullopt;
}

// Sessions in which the snapshot's places may be written to, or whose client is not drained: that may be so
// the next time.
void StoreResize::end_writers(SnapshotId id)
{
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        const bool is_undrained = s.is(Session::State::opening) && !drained(s.hello) &&
                                  s.hello.kind == wire::Kind::process &&
                                  attachments_.recorded(s.hello.client) != nullptr;
        if (s.writer() && s.of_snapshot(id) && (s.is(Session::State::open) || is_undrained)) {
            c_.sessions.note(Severity::info, s, "closed: what was written to the snapshot is being moved");
            c_.sessions.close(s, "what was written to the snapshot is being moved");
        }
    }
}

snapstore::Task<snapstore::Result<void>> StoreResize::hold_writers(SnapshotId id)
{
    for (const auto& s : c_.sessions) {
        const bool too_old =
            s->writer() && s->of_snapshot(id) && s->hello.kind == wire::Kind::kernel && !drained(s->hello);
        if (too_old) {
            error_ = ServiceError{
                Code::busy,
                fmt::format("client {} has snapshot {} open and cannot be held, because its dm-ddsnap is "
                            "older than ddsnapd: close the snapshot first",
                            s->hello.name_view(), id.value)};
            co_return snapstore::fail(Errc::busy, "a client cannot be held");
        }
    }
    moving_ = id;
    const std::uint64_t deadline = c_.events.now + c_.config.hold_patience_ns;
    std::uint64_t probe_again = c_.events.now;
    for (;;) {
        if (c_.events.now >= probe_again) {
            co_await attachments_.forget_gone();
            probe_again = c_.events.now + c_.config.probe_interval_ns;
        }
        end_writers(id);
        auto why = writes_on(id);
        if (!why) {
            co_return snapstore::Result<void>{};
        }
        if (c_.events.stopping || c_.store.space().shrink_stopped() || c_.events.now >= deadline) {
            error_ = std::move(why);
            release_writers(id);
            co_return snapstore::fail(Errc::busy, "a client cannot be held");
        }
        co_await c_.events.barrier_moved.wait();
    }
}

void StoreResize::release_writers(SnapshotId) noexcept
{
    moving_.reset();
    c_.events.barrier_moved.raise();
}

// Also sessions that have been sent INVALID and have not acknowledged it: reads may be under way.
void StoreResize::revoke_places() noexcept
{
    for (std::size_t i = 0; i < c_.sessions.size(); ++i) {
        Session& s = c_.sessions[i];
        if (s.is(Session::State::open) && s.hello.role == wire::Role::snapshot) {
            c_.sessions.note(Severity::info, s, "closed: the snapshot store is being made smaller");
            c_.sessions.close(s, "the snapshot store is being made smaller");
        }
    }
}

ServiceError StoreResize::explain(const snapstore::Error& error) const
{
    const auto info = c_.store.info();
    const std::uint64_t chunk = std::uint64_t{1} << info.chunk_shift;
    ServiceError result = to_service_error(error);
    if (error.code == Errc::busy && error_) {
        return *error_;
    }
    if (error.code == Errc::no_space && error.where > 0) {
        const std::uint64_t least = std::max<std::uint64_t>(error.where, snapstore::kMinStoreChunks);
        result.message +=
            fmt::format(": {} chunks of {} bytes; the smallest possible size is {} bytes of its "
                        "device{}",
                        error.where, chunk, info.store_size.value - (info.store_chunks - least) * chunk,
                        info.sweeping ? ", fewer when deleted snapshots have been swept" : "");
    }
    return result;
}

snapstore::Task<ServiceResult<void>> StoreResize::resize(Bytes size)
{
    const Operation operation(c_.events);
    if (c_.events.stopping) {
        co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
    }
    const auto info = c_.store.info();
    if (size >= info.store_size || info.store_size.value - size.value < std::uint64_t{1}
                                                                            << info.chunk_shift) {
        const auto wanted = std::max(size, info.store_size);
        const auto done = co_await c_.store.space().grow(wanted);
        if (!done && c_.store.info().store_size > wanted) { // it had to wait for another resize
            co_return tl::unexpected(
                ServiceError{Code::busy, "the snapshot store was made larger meanwhile"});
        }
        co_return done ? ServiceResult<void>{} : tl::unexpected(to_service_error(done.error()));
    }
    if (shrinking_) {
        co_return tl::unexpected(ServiceError{Code::busy, "the snapshot store is being made smaller"});
    }
    shrinking_ = true;
    error_.reset();
    const auto done = co_await c_.store.space().shrink(size, *this);
    shrinking_ = false;
    co_return done ? ServiceResult<void>{} : tl::unexpected(explain(done.error()));
}

snapstore::Task<ServiceResult<void>> StoreResize::resize_meta(Bytes size)
{
    const Operation operation(c_.events);
    if (c_.events.stopping) {
        co_return tl::unexpected(ServiceError{Code::stopping, "the daemon is stopping"});
    }
    const auto done = co_await c_.store.space().resize_meta(size);
    if (done) {
        co_return ServiceResult<void>{};
    }
    ServiceError error = to_service_error(done.error());
    if (error.code == Code::no_space && done.error().where > 0) {
        error.message +=
            fmt::format(": the smallest possible metadata device has {} bytes", done.error().where);
    }
    co_return tl::unexpected(std::move(error));
}

} // namespace ddsnap
