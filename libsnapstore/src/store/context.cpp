// SPDX-License-Identifier: GPL-2.0
#include "store/context.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "store/io_group.h"

namespace snapstore {

Context::Context(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs)
    : devices(devs), config(cfg), observer(obs)
{
    config.max_operations = std::max(config.max_operations, 1U);
}

Result<void> Context::check_running() const
{
    return !opened || closing ? fail(Errc::stopping, "the store is not open") : Result<void>{};
}

Result<void> Context::check_range(ChunkRange range, Sectors size) const
{
    const std::uint64_t chunks_there = sb.chunks_of(size);
    if (auto ok = check_running(); !ok) {
        return ok;
    }
    if (range.count == 0 || range.count > kMaxRange || range.first.value >= chunks_there ||
        range.count > chunks_there - range.first.value) {
        return fail(Errc::invalid, "chunk range out of bounds", range.first.value);
    }
    return {};
}

Result<void> Context::may_go_on_opening() const
{
    return opening_stopped ? fail(Errc::stopping, "stopped while the store was being opened")
                           : Result<void>{};
}

void Context::fail_store(const char* what, Bytes where)
{
    if (failed) {
        return;
    }
    failed = true;
    failure_ = Error{Errc::failed, what, where.value};
    std::array<char, 160> text{};
    const int length =
        where.value == 0 ? std::snprintf(text.data(), text.size(), "%s", what)
                         : std::snprintf(text.data(), text.size(), "%s at byte %" PRIu64, what, where.value);
    observer.log(Severity::error, {text.data(), static_cast<std::size_t>(std::max(length, 0))});
    observer.state_changed();
    queues.commit.wake_all();
    queues.checkpoint.wake_all();
    queues.space.wake_all();
    queues.tick.wake_all();
}

Task<IoStatus> flush_devices(Context& ctx)
{
    IoGroup<2> flushes;
    flushes.add(ctx.store_device(), IoRequest::Op::flush);
    if (ctx.separate_meta()) {
        flushes.add(ctx.meta_device(), IoRequest::Op::flush);
    }
    ctx.counters.flushes += flushes.size();
    co_return co_await flushes;
}

} // namespace snapstore
