// SPDX-License-Identifier: GPL-2.0
// The façade.
#include "snapstore/store.h"

#include <algorithm>

#include "store/store_impl.h"

namespace snapstore {

Store::Impl::Impl(const Devices& devs, const StoreConfig& cfg, StoreObserver& obs)
    : Context(devs, cfg, obs), State(static_cast<Context&>(*this)), Places(static_cast<Context&>(*this)),
      Room(*this, *this, *this)
{}

StoreInfo Store::Impl::info() const noexcept
{
    StoreInfo info;
    if (!opened) {
        return info;
    }
    info.uuid = sb.uuid;
    info.chunk_shift = sb.chunk_shift;
    info.origin_size = sb.origin_size;
    info.epoch = epoch;
    info.store_chunks = chunks.size();
    info.store_size = store_offset(sb.data_chunks);
    info.meta_size = Bytes{separate_meta() ? block_offset(sb.meta.end()) : 0};
    info.free_chunks = chunks.free();
    info.pending_chunks = chunks.pending();
    info.meta_blocks = blocks.size();
    info.free_meta_blocks = blocks.free();
    info.journal_blocks = sb.journal.count;
    info.journal_used = journal.next - sb.journal_start;
    info.exceptions = tree->entries();
    info.snapshots = table.live();
    info.sweeping = sweep.possible();
    info.failed = failed;
    info.failure = failed_what;
    info.lost_chunks = lost_places.count();
    info.bad_chunks = bad();
    info.given_up = loss.given_up();
    info.origin_samples = origin.record.count();
    return info;
}

Store::Store(Devices devices, const StoreConfig& config, StoreObserver& observer)
    : impl_(std::make_unique<Impl>(devices, config, observer))
{}
Store::~Store() = default;

FramePool& Store::frames() noexcept { return impl_->frame_pool; }
Task<Result<OpenReport>> Store::open() { return impl_->open(); }
void Store::set_origin_identity(std::string_view identity) noexcept
{
    impl_->origin.record.set_identity(identity);
}
std::string_view Store::origin_identity() const noexcept { return impl_->origin.record.identity_text(); }
void Store::stop_opening() noexcept { impl_->opening_stopped = true; }
Task<Result<void>> Store::close() { return impl_->close(); }

bool Store::writable(ChunkRange range) const noexcept
{
    return impl_->check_range(range, impl_->sb.origin_size).has_value() && impl_->copy_out.writable(range);
}
bool Store::no_snapshots() const noexcept { return impl_->table.none_live(); }
Task<Result<void>> Store::origin_write(ChunkRange range) { return impl_->copy_out.origin_write(range); }
Task<Result<void>> Store::give_up() { return impl_->loss.give_up(); }

Task<Result<std::size_t>> Store::snapshot_read(SnapshotId id, ChunkRange range, std::span<Extent> out)
{
    range.count = std::min(range.count, kMaxRange);
    return impl_->snapshot_reads.read(id, range, out);
}
Task<Result<std::size_t>> Store::snapshot_write(SnapshotId id, ChunkRange range, std::span<Extent> out)
{
    return impl_->snapshot_writes.write(id, range, out);
}

Result<DeltaPart> Store::delta(SnapshotId from, std::optional<SnapshotId> to, Chunk start,
                               std::span<ChunkRange> out) noexcept
{
    return find_delta(*impl_, *impl_, from, to, start, out);
}

Task<Result<void>> Store::resize_origin(Sectors size) { return impl_->resize_origin(size); }
Task<Result<void>> Store::resize_store(Bytes size) { return impl_->resize_store(size); }
Task<Result<void>> Store::resize_meta(Bytes size) { return impl_->resize_meta(size); }
Task<Result<void>> Store::shrink_store(Bytes size, PlaceUsers& users)
{
    return impl_->shrink_store(size, users);
}
void Store::stop_shrinking()
{
    const Error why{Errc::stopping, "the daemon is stopping"};
    impl_->stop_shrinking(impl_->shrink, why);
    impl_->stop_shrinking(impl_->zone_shrink, why);
}
bool Store::shrink_stopped() const noexcept
{
    return impl_->failed || (impl_->shrink && impl_->shrink->stopped);
}

Task<Result<SnapshotInfo>> Store::create(const CreateOptions& options)
{
    return impl_->snapshots.create(options);
}
Task<Result<void>> Store::remove(SnapshotId id) { return impl_->snapshots.remove(id); }
Task<Result<void>> Store::set_priority(SnapshotId id, std::int8_t priority)
{
    return impl_->snapshots.set_priority(id, priority);
}
Task<Result<std::uint32_t>> Store::add_use(SnapshotId id, std::int64_t difference)
{
    return impl_->snapshots.add_use(id, difference);
}
Task<Result<void>> Store::attach(const Attachment& attachment) { return impl_->snapshots.attach(attachment); }
Task<Result<void>> Store::detach(Uuid client) { return impl_->snapshots.detach(client); }

void Store::space_released(SnapshotId) noexcept
{
    impl_->sweep.ask_released();
    impl_->tick_queue.wake_all();
}

Epoch Store::epoch() const noexcept { return impl_->epoch; }
StoreInfo Store::info() const noexcept { return impl_->info(); }
const StoreCounters& Store::counters() const noexcept { return impl_->counters; }

std::vector<LostChunk> Store::lost_chunks() const { return impl_->list_lost(); }

std::vector<SnapshotInfo> Store::list() const
{
    std::vector<SnapshotInfo> result;
    for (const auto& s : impl_->table.all()) {
        if (s->info.state != SnapshotState::deleting) {
            result.push_back(s->info);
        }
    }
    return result;
}

std::optional<SnapshotInfo> Store::find(SnapshotId id) const
{
    const Snapshot* s = impl_->table.find(id);
    return s == nullptr ? std::nullopt : std::optional(s->info);
}

SnapshotState Store::state_of(SnapshotId id, bool& exists) const noexcept
{
    const Snapshot* s = impl_->table.find(id);
    exists = s != nullptr;
    return exists ? s->info.state : SnapshotState::normal;
}

SnapshotId Store::next_id() const noexcept { return impl_->next_id; }
const std::vector<Attachment>& Store::attachments() const noexcept { return impl_->attachments; }

bool Store::wants_refill() const noexcept { return impl_->opened && impl_->wants_refill(); }

void Store::refill()
{
    if (impl_->opened) {
        impl_->refill();
    }
}

void Store::tick(bool force) { impl_->background.tick(force); }
Task<void> Store::quiesce() { return impl_->background.quiesce(); }

Task<Result<void>> Store::checkpoint() { return impl_->checkpoint.run(); }
Task<Result<CheckReport>> Store::check(bool data) { return impl_->check(data); }

void Store::dump(const std::function<void(const DumpEntry&)>& visit) const
{
    if (!impl_->opened) {
        return;
    }
    impl_->tree->visit(Key{}, kNoKey, 0, [&](const Entry& e, bool) {
        visit(DumpEntry{e.key.chunk(), Epoch{e.key.epoch}, e.key.is_private(), e.zero(), e.lost(),
                        StoreChunk{e.store_chunk()}, e.crc});
        return true;
    });
}

} // namespace snapstore
