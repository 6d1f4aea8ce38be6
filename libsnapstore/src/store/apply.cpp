// SPDX-License-Identifier: GPL-2.0
#include "store/apply.h"

#include <algorithm>

namespace snapstore {

namespace {

template <class T>
T payload(std::span<const record_disk> record)
{
    return load_disk<T>(std::as_bytes(record.subspan(1)));
}

} // namespace

Result<void> Applier::apply(std::span<const record_disk> record, bool replaying)
{
    const record_disk& r = record.front();
    switch (static_cast<RecordType>(r.type)) {
    case RecordType::add_shared:
        return apply_add({Key::shared(Chunk{r.chunk}, Epoch{r.epoch}), r.crc, r.location}, replaying);
    case RecordType::add_private:
        return apply_add({Key::priv(Chunk{r.chunk}, Epoch{r.epoch}), r.crc, r.location}, replaying);
    case RecordType::create:
        return apply_create(record);
    case RecordType::remove:
    case RecordType::squash:
    case RecordType::priority:
    case RecordType::use_count:
        return apply_state(r);
    case RecordType::attach:
        return apply_attach(record);
    case RecordType::detach:
        apply_detach(r);
        return {};
    case RecordType::none:
        break;
    }
    return fail(Errc::corrupt, "journal: unknown record");
}

Result<void> Applier::apply_add(const Entry& entry, bool replaying)
{
    const StoreChunk place = entry.store_chunk();
    Snapshot* snapshot = state_.table.find(Epoch{entry.key.epoch});
    const bool live = snapshot != nullptr && snapshot->info.state == SnapshotState::normal;
    const bool is_private = entry.key.is_private();
    const bool wanted = live || !is_private;
    if (replaying) {
        if (!state_.plausible(entry)) {
            return fail(Errc::corrupt, "journal: exception out of range");
        }
        if (wanted && entry.stored() && !places_.mark_used(place)) {
            return fail(Errc::corrupt, "journal: store chunk used twice", ctx_.store_offset(place).value);
        }
    } else {
        state_.in_flight.erase(entry.key.key);
        if (entry.stored()) {
            places_.committed();
        }
    }
    if (!wanted) { // the snapshot went while its chunk was copied
        if (!replaying && entry.stored()) {
            places_.free_later(place);
        }
        return {};
    }
    if (!state_.tree->insert(entry)) {
        return fail(Errc::corrupt, "journal: exception twice");
    }
    if (entry.lost()) {
        state_.lost_places.insert(entry.key);
    }
    if (is_private) { // so it is live
        snapshot->has_private = true;
    } else if (!live) {
        state_.late_garbage = true;
    }
    return {};
}

Result<void> Applier::apply_create(std::span<const record_disk> record)
{
    auto snapshot = unpack_snapshot(payload<snapshot_disk>(record));
    if (!snapshot) {
        return tl::unexpected(snapshot.error());
    }
    if (snapshot->info.epoch != state_.epoch || snapshot->info.state != SnapshotState::normal) {
        return fail(Errc::corrupt, "journal: create of a wrong epoch", snapshot->info.epoch.value);
    }
    if (snapshot->info.size > ctx_.sb.origin.greatest()) {
        return fail(Errc::corrupt, "journal: create of a snapshot of a wrong size", snapshot->info.id.value);
    }
    const SnapshotId id = snapshot->info.id;
    if (state_.table.listed() >= ctx_.sb.max_snapshots) { // of those being deleted: sweep_for_table()
        return fail(Errc::corrupt, "journal: too many snapshots", id.value);
    }
    if (!state_.table.insert(std::move(*snapshot))) {
        return fail(Errc::corrupt, "journal: create of an existing snapshot", id.value);
    }
    state_.snapshot_chain.reserve(state_.table.all().size(), sizeof(snapshot_disk));
    ++state_.epoch;
    ++state_.snapshots_created;
    state_.next_id = std::max(state_.next_id, SnapshotId{id.value + 1});
    return {};
}

Result<void> Applier::apply_state(const record_disk& record)
{
    Snapshot* snapshot = state_.table.find(Epoch{record.epoch});
    if (snapshot == nullptr) {
        return fail(Errc::corrupt, "journal: no such snapshot", record.epoch);
    }
    switch (static_cast<RecordType>(record.type)) {
    case RecordType::remove:
        state_.table.set_state(*snapshot, SnapshotState::deleting);
        break;
    case RecordType::squash:
        state_.table.set_state(*snapshot, SnapshotState::squashed);
        break;
    case RecordType::priority:
        snapshot->info.priority = static_cast<std::int8_t>(static_cast<std::uint8_t>(record.location));
        state_.table.touch();
        break;
    default:
        snapshot->info.use_count = static_cast<std::uint32_t>(record.location);
        state_.table.touch();
        break;
    }
    return {};
}

Result<void> Applier::apply_attach(std::span<const record_disk> record)
{
    Attachment attachment = unpack_attachment(payload<attachment_disk>(record));
    std::erase_if(state_.attachments, [&](const Attachment& a) { return a.client == attachment.client; });
    if (state_.attachments.size() >= kMaxAttachments) {
        return fail(Errc::corrupt, "journal: too many clients");
    }
    state_.attachments.push_back(std::move(attachment));
    state_.attachment_chain.reserve(state_.attachments.size(), sizeof(attachment_disk));
    state_.attachments_dirty = true;
    return {};
}

void Applier::apply_detach(const record_disk& record)
{
    Uuid client{};
    store_disk(client, record.chunk);
    store_disk(client, record.location, sizeof record.chunk);
    std::erase_if(state_.attachments, [&](const Attachment& a) { return a.client == client; });
    state_.attachments_dirty = true;
}

} // namespace snapstore
