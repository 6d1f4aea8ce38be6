// SPDX-License-Identifier: GPL-2.0
#include "snapstore/store.h"

namespace snapstore {

struct Store::Impl {
    FramePool frames;
    StoreCounters counters;
    std::vector<Attachment> attachments;
};

namespace {
const char* const kNone = "not available";
} // namespace

Result<void> Store::check_sizes(const Devices&, const Format&) { return fail(Errc::unsupported, kNone); }
Task<Result<void>> Store::initialize(FramePool&, Devices, Format) { co_return fail(Errc::unsupported, kNone); }
Task<Result<StoreInfo>> Store::probe(FramePool&, BlockDevice&) { co_return fail(Errc::unsupported, kNone); }
Store::Store(Devices, const StoreConfig&, StoreObserver&) : impl_(std::make_unique<Impl>()) {}
Store::~Store() = default;
FramePool& Store::frames() noexcept { return impl_->frames; }
Task<Result<OpenReport>> Store::open() { co_return fail(Errc::unsupported, kNone); }
Task<Result<void>> Store::close() { co_return fail(Errc::unsupported, kNone); }
bool Store::writable(ChunkRange) const noexcept { return false; }
bool Store::no_snapshots() const noexcept { return true; }
Task<Result<void>> Store::origin_write(ChunkRange) { co_return fail(Errc::unsupported, kNone); }
Task<Result<std::size_t>> Store::snapshot_read(SnapshotId, ChunkRange, std::span<Extent>)
{
    co_return fail(Errc::unsupported, kNone);
}
Task<Result<std::size_t>> Store::snapshot_write(SnapshotId, ChunkRange, std::span<Extent>)
{
    co_return fail(Errc::unsupported, kNone);
}
Task<Result<SnapshotInfo>> Store::create(const CreateOptions&) { co_return fail(Errc::unsupported, kNone); }
Task<Result<void>> Store::remove(SnapshotId) { co_return fail(Errc::unsupported, kNone); }
Task<Result<void>> Store::set_priority(SnapshotId, std::int8_t) { co_return fail(Errc::unsupported, kNone); }
Task<Result<std::uint32_t>> Store::add_use(SnapshotId, std::int64_t)
{
    co_return fail(Errc::unsupported, kNone);
}
Task<Result<void>> Store::attach(const Attachment&) { co_return fail(Errc::unsupported, kNone); }
Task<Result<void>> Store::detach(Uuid) { co_return fail(Errc::unsupported, kNone); }
void Store::space_released(SnapshotId) noexcept {}
Epoch Store::epoch() const noexcept { return {}; }
StoreInfo Store::info() const noexcept { return {}; }
const StoreCounters& Store::counters() const noexcept { return impl_->counters; }
std::vector<SnapshotInfo> Store::list() const { return {}; }
std::optional<SnapshotInfo> Store::find(SnapshotId) const { return {}; }
SnapshotState Store::state_of(SnapshotId, bool& exists) const noexcept
{
    exists = false;
    return SnapshotState::normal;
}
SnapshotId Store::next_id() const noexcept { return {}; }
const std::vector<Attachment>& Store::attachments() const noexcept { return impl_->attachments; }
bool Store::wants_refill() const noexcept { return false; }
void Store::refill() {}
void Store::tick(bool) {}
Task<void> Store::quiesce() { co_return; }
Task<Result<void>> Store::checkpoint() { co_return fail(Errc::unsupported, kNone); }
Task<Result<CheckReport>> Store::check(bool) { co_return fail(Errc::unsupported, kNone); }
void Store::dump(const std::function<void(const DumpEntry&)>&) const {}

} // namespace snapstore
