// SPDX-License-Identifier: GPL-2.0
// The façade.
#include "snapstore/store.h"

#include <algorithm>

#include "store/delta.h"
#include "store/store_impl.h"

namespace snapstore {

StoreImpl::StoreImpl(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs) : ctx(devs, cfg, obs) {}

StoreInfo StoreImpl::info() const noexcept
{
    StoreInfo info;
    if (!ctx.opened) {
        return info;
    }
    info.uuid = ctx.sb.uuid;
    info.chunk_shift = ctx.sb.chunk.shift;
    info.origin_size = ctx.sb.origin.size;
    info.epoch = state.epoch;
    info.store_chunks = places.units().size();
    info.store_size = ctx.store_offset(StoreChunk{ctx.sb.data.chunks});
    info.meta_size = ctx.separate_meta() ? block_offset(ctx.sb.zone.end()) : Bytes{};
    info.free_chunks = places.free();
    info.pending_chunks = places.pending();
    info.meta_blocks = state.zone.units().size();
    info.free_meta_blocks = state.zone.free();
    info.journal_blocks = ctx.sb.ring.count;
    info.journal_used = state.journal.next - ctx.sb.journal.start;
    info.exceptions = state.tree->entries();
    info.snapshots = state.table.live();
    info.sweeping = sweep.possible();
    info.failed = ctx.failed;
    info.failure = ctx.failure().what;
    info.failure_where = ctx.failure().where;
    info.lost_chunks = state.lost_places.count();
    info.bad_chunks = places.bad();
    info.given_up = loss.given_up();
    info.origin_samples = origin.record.count();
    return info;
}

Store::Store(Devices devices, const StoreConfig& config, StoreObserver& observer)
    : impl_(std::make_unique<StoreImpl>(devices, config, observer)), origin_(*impl_), snapshots_(*impl_),
      clients_(*impl_), space_(*impl_), upkeep_(*impl_)
{}
Store::~Store() = default;

FramePool& Store::frames() noexcept { return impl_->ctx.frame_pool; }
Task<Result<OpenReport>> Store::open() { return impl_->open(); }
void Store::stop_opening() noexcept { impl_->ctx.opening_stopped = true; }
Task<Result<void>> Store::close() { return impl_->close(); }
Epoch Store::epoch() const noexcept { return impl_->state.epoch; }
StoreInfo Store::info() const noexcept { return impl_->info(); }
const StoreCounters& Store::counters() const noexcept { return impl_->ctx.counters; }

// ---- StoreOrigin -----------------------------------------------------------------------------

void StoreOrigin::set_identity(std::string_view identity) noexcept
{
    impl_.origin.record.set_identity(identity);
}

std::string_view StoreOrigin::identity() const noexcept { return impl_.origin.record.identity_text(); }

bool StoreOrigin::writable(ChunkRange range) const noexcept
{
    return impl_.ctx.check_range(range, impl_.ctx.sb.origin.size).has_value() &&
           impl_.copy_out.writable(range);
}

bool StoreOrigin::no_snapshots() const noexcept { return impl_.state.table.none_live(); }
Task<Result<void>> StoreOrigin::write(ChunkRange range) { return impl_.copy_out.origin_write(range); }
Task<Result<void>> StoreOrigin::give_up() { return impl_.loss.give_up(); }
Task<Result<void>> StoreOrigin::resize(Sectors size) { return impl_.resize.resize_origin(size); }

// ---- StoreSnapshots --------------------------------------------------------------------------

Task<Result<std::size_t>> StoreSnapshots::read(SnapshotId id, ChunkRange range, std::span<Extent> out)
{
    range.count = std::min(range.count, kMaxRange);
    return impl_.snapshot_reads.read(id, range, out);
}

Task<Result<std::size_t>> StoreSnapshots::write(SnapshotId id, ChunkRange range, std::span<Extent> out)
{
    return impl_.snapshot_writes.write(id, range, out);
}

Result<DeltaPart> StoreSnapshots::delta(SnapshotId from, std::optional<SnapshotId> to, Chunk start,
                                        std::span<ChunkRange> out) noexcept
{
    return find_delta(impl_.ctx, impl_.state, from, to, start, out);
}

Task<Result<SnapshotInfo>> StoreSnapshots::create(const CreateOptions& options)
{
    return impl_.snapshots.create(options);
}

Task<Result<void>> StoreSnapshots::remove(SnapshotId id) { return impl_.snapshots.remove(id); }

Task<Result<void>> StoreSnapshots::set_priority(SnapshotId id, std::int8_t priority)
{
    return impl_.snapshots.set_priority(id, priority);
}

Task<Result<std::uint32_t>> StoreSnapshots::add_use(SnapshotId id, std::int64_t difference)
{
    return impl_.snapshots.add_use(id, difference);
}

std::vector<LostChunk> StoreSnapshots::lost_chunks() const { return list_lost(impl_.state); }

std::vector<SnapshotInfo> StoreSnapshots::list() const
{
    std::vector<SnapshotInfo> result;
    for (const auto& s : impl_.state.table.all()) {
        if (s->info.state != SnapshotState::deleting) {
            result.push_back(s->info);
        }
    }
    return result;
}

std::optional<SnapshotInfo> StoreSnapshots::find(SnapshotId id) const
{
    const Snapshot* s = impl_.state.table.find(id);
    return s == nullptr ? std::nullopt : std::optional(s->info);
}

std::optional<SnapshotState> StoreSnapshots::state_of(SnapshotId id) const noexcept
{
    const Snapshot* s = impl_.state.table.find(id);
    return s == nullptr ? std::nullopt : std::optional(s->info.state);
}

SnapshotId StoreSnapshots::next_id() const noexcept { return impl_.state.next_id; }

// ---- StoreClients ----------------------------------------------------------------------------

Task<Result<void>> StoreClients::attach(const Attachment& attachment)
{
    return impl_.snapshots.attach(attachment);
}
Task<Result<void>> StoreClients::detach(Uuid client) { return impl_.snapshots.detach(client); }

void StoreClients::space_released(SnapshotId) noexcept
{
    impl_.sweep.ask_released();
    impl_.ctx.queues.tick.wake_all();
}

const std::vector<Attachment>& StoreClients::attachments() const noexcept { return impl_.state.attachments; }

// ---- StoreSpace ------------------------------------------------------------------------------

Task<Result<void>> StoreSpace::grow(Bytes size) { return impl_.resize.resize_store(size); }
Task<Result<void>> StoreSpace::resize_meta(Bytes size) { return impl_.resize.resize_meta(size); }

Task<Result<void>> StoreSpace::shrink(Bytes size, PlaceUsers& users)
{
    return impl_.store_shrink.run(size, users);
}

void StoreSpace::stop_shrinking()
{
    const Error why{Errc::stopping, "the daemon is stopping"};
    impl_.room.stop_shrinking(impl_.room.shrink, why);
    impl_.room.stop_shrinking(impl_.room.zone_shrink, why);
}

bool StoreSpace::shrink_stopped() const noexcept
{
    return impl_.ctx.failed || (impl_.room.shrink && impl_.room.shrink->stopped);
}

// ---- StoreUpkeep -----------------------------------------------------------------------------

bool StoreUpkeep::wants_refill() const noexcept { return impl_.ctx.opened && impl_.room.wants_refill(); }

void StoreUpkeep::refill()
{
    if (impl_.ctx.opened) {
        impl_.room.refill();
    }
}

void StoreUpkeep::tick(bool force) { impl_.background.tick(force); }
Task<void> StoreUpkeep::quiesce() { return impl_.background.quiesce(); }
Task<Result<void>> StoreUpkeep::checkpoint() { return impl_.checkpoint.run(); }
Task<Result<CheckReport>> StoreUpkeep::check(bool data) { return impl_.checker.check(data); }
void StoreUpkeep::stop_checks() noexcept { impl_.checker.stop(); }

void StoreUpkeep::dump(const std::function<void(const DumpEntry&)>& visit) const
{
    if (!impl_.ctx.opened) {
        return;
    }
    impl_.state.tree->visit(Key{}, kNoKey, 0, [&](const Entry& e, bool) {
        visit(DumpEntry{e.key.chunk(), Epoch{e.key.epoch}, e.key.is_private(), e.zero(), e.lost(),
                        e.store_chunk(), e.crc});
        return true;
    });
}

} // namespace snapstore
