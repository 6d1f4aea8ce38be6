// SPDX-License-Identifier: GPL-2.0
#include "store/snapshots.h"

#include <algorithm>
#include <array>

namespace snapstore {

namespace {

bool is_text(std::string_view text, std::size_t most)
{
    return text.size() <= most && text.find('\0') == std::string_view::npos;
}

// A record with its payload in the slots that follow.
template <std::size_t N, class Payload>
std::array<record_disk, N> with_payload(const record_disk& record, const Payload& payload)
{
    static_assert(sizeof(record_disk) + sizeof(Payload) == N * sizeof(record_disk));
    std::array<record_disk, N> slots{};
    slots[0] = record;
    store_disk(std::as_writable_bytes(std::span(slots).template subspan<1>()), payload);
    return slots;
}

} // namespace

Task<Result<SnapshotInfo>> Snapshots::create(CreateOptions options)
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    if (!is_text(options.name, SnapshotInfo::kMaxName) || !is_text(options.tag, SnapshotInfo::kMaxTag)) {
        co_return fail(Errc::invalid, "the snapshot's name or tag is too long or has a NUL in it");
    }
    Snapshot snapshot;
    SnapshotInfo& info = snapshot.info;
    info.id = options.id.value_or(state_.next_id);
    if (info.id.value >= ~std::uint64_t{0} >> 1) {
        co_return fail(Errc::invalid, "the snapshot's number is out of range", info.id.value);
    }
    if (state_.table.find(info.id) != nullptr) {
        co_return fail(Errc::exists, "a snapshot of this number exists", info.id.value);
    }
    if (auto room = co_await make_room(); !room) {
        co_return tl::unexpected(room.error());
    }
    info.epoch = state_.epoch;
    info.uuid = options.uuid;
    info.created_ns = options.created_ns;
    info.size = ctx_.sb.origin.size;
    info.priority = options.priority;
    info.name = options.name;
    info.tag = options.tag;
    // The snapshot shares its chunks with the origin. What has been written there but not flushed is part of
    // it, and must not be lost with the power once the record can be replayed (I3; tests/sim).
    ++ctx_.counters.flushes;
    const IoStatus flushed = co_await DeviceIo(*ctx_.devices.origin, IoRequest::Op::flush);
    if (flushed != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot flush the origin");
    }
    const auto record =
        with_payload<kCreateSlots>(make_record(RecordType::create, info.epoch), pack_snapshot(snapshot));
    const auto done = co_await commit_.write(record);
    if (!done) {
        co_return tl::unexpected(done.error());
    }
    co_return info;
}

// A slot that the sweep has freed is free when a table without it is durable: after a crash the replay adds
// to the table on disk (LimitTest).
Task<Result<void>> Snapshots::make_room()
{
    for (;;) {
        if (state_.table.all().size() >= ctx_.sb.max_snapshots || state_.epoch.value == ~std::uint32_t{0}) {
            co_return fail(Errc::no_space, "no room for another snapshot", ctx_.sb.max_snapshots);
        }
        if (room_.recovery_snapshots() < ctx_.sb.max_snapshots) {
            co_return Result<void>{};
        }
        if (auto done = co_await checkpoint_.run(); !done) {
            co_return done;
        }
    }
}

// Removes or squashes.
Task<Result<void>> Snapshots::change_state(SnapshotId id, RecordType type)
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    const Snapshot* snapshot = state_.table.find(id);
    if (snapshot == nullptr) {
        co_return fail(Errc::not_found, "no such snapshot", id.value);
    }
    if (type == RecordType::remove && snapshot->info.use_count > 0) {
        co_return fail(Errc::busy, "the snapshot is in use", snapshot->info.use_count);
    }
    // While this waited for its turn the choice may have become wrong: squashed or pinned meanwhile, or
    // another one is worth less now. The caller looks again.
    if (type == RecordType::squash && snapshot != state_.table.victim()) {
        co_return Result<void>{};
    }
    const record_disk record = make_record(type, snapshot->info.epoch);
    const auto done = co_await commit_.write({&record, 1});
    if (done && type == RecordType::squash) {
        ++ctx_.counters.squashed;
        ctx_.observer.squashed(id);
    }
    if (done && state_.table.none_live()) {
        ctx_.observer.state_changed();
    }
    co_return done;
}

Task<Result<void>> Snapshots::set_priority(SnapshotId id, std::int8_t priority)
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    const Snapshot* snapshot = state_.table.find(id);
    if (snapshot == nullptr) {
        co_return fail(Errc::not_found, "no such snapshot", id.value);
    }
    const record_disk record =
        make_record(RecordType::priority, snapshot->info.epoch, static_cast<std::uint8_t>(priority));
    co_return co_await commit_.write({&record, 1});
}

Task<Result<std::uint32_t>> Snapshots::add_use(SnapshotId id, std::int64_t difference)
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    const Snapshot* snapshot = state_.table.find(id);
    if (snapshot == nullptr) {
        co_return fail(Errc::not_found, "no such snapshot", id.value);
    }
    constexpr std::int64_t kMost = 0xffffffff;
    const std::int64_t old = snapshot->info.use_count;
    if (difference > kMost || difference < -kMost || old + difference < 0 || old + difference > kMost) {
        co_return fail(Errc::invalid, "the use count would be out of range", snapshot->info.use_count);
    }
    const auto count = static_cast<std::uint32_t>(old + difference);
    const record_disk record = make_record(RecordType::use_count, snapshot->info.epoch, count);
    const auto done = co_await commit_.write({&record, 1});
    if (!done) {
        co_return tl::unexpected(done.error());
    }
    co_return count;
}

Task<Result<void>> Snapshots::attach(Attachment attachment)
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    if (!is_text(attachment.name, sizeof(attachment_disk::name) - 1)) {
        co_return fail(Errc::invalid, "the client's name is too long or has a NUL in it");
    }
    const auto same = [&](const Attachment& a) { return a.client == attachment.client; };
    if (state_.attachments.size() >= kMaxAttachments &&
        std::none_of(state_.attachments.begin(), state_.attachments.end(), same)) {
        co_return fail(Errc::no_space, "too many clients", state_.attachments.size());
    }
    const auto record =
        with_payload<kAttachSlots>(make_record(RecordType::attach), pack_attachment(attachment));
    co_return co_await commit_.write(record);
}

Task<Result<void>> Snapshots::detach(Uuid client)
{
    while (gate_.locked()) {
        co_await gate_.turn();
    }
    const Gate::Lock lock(gate_);
    const auto same = [&](const Attachment& a) { return a.client == client; };
    if (std::none_of(state_.attachments.begin(), state_.attachments.end(), same)) {
        co_return fail(Errc::not_found, "no such client");
    }
    record_disk record = make_record(RecordType::detach);
    record.chunk = load_disk<le64>(client);
    record.location = load_disk<le64>(client, sizeof(le64));
    co_return co_await commit_.write({&record, 1});
}

} // namespace snapstore
