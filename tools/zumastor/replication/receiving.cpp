// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/receiving.h"

#include <fcntl.h>

#include <algorithm>

#include "tools/common/block_device.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/common/uuid_text.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/state/received_ranges.h"
#include "tools/zumastor/state/resume_token.h"
#include "tools/zumastor/state/wanted_kinds.h"
#include "tools/zumastor/volume/follow_size.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/rollback.h"
#include "tools/zumastor/volume/sectors.h"
#include "tools/zumastor/volume/shown_snapshot.h"

namespace zumastor {
namespace {

constexpr std::chrono::milliseconds kReceivedLimit{30000};
constexpr std::size_t kReadAhead = 64U << 10; // of a stream

const SnapshotEntry* with_uuid(const std::vector<SnapshotEntry>& list, const std::string& uuid)
{
    for (const SnapshotEntry& snapshot : list) {
        if (snapshot.uuid == uuid) {
            return &snapshot;
        }
    }
    return nullptr;
}

void refuse_wrong_shape(const Volume& volume, const VolumeEntry& store, const stream::Header& header)
{
    const std::string name = volume.what();
    if (header.chunk_bytes() != store.chunk_bytes) {
        throw Failure(Exit::failed,
                      name + ": the stream has chunks of " + format_size(header.chunk_bytes()) +
                          ", but the volume has chunks of " + format_size(store.chunk_bytes),
                      "make the replica with the same --chunksize");
    }
    refuse_larger_sectors(header.sector_bytes(), sectors_here(volume.config()), "the stream", volume.what());
    if (header.sectors > store.origin_sectors) {
        refuse_small_device(volume, header.sectors);
    }
}

void refuse_other_lineage(const Volume& volume, const ReplicaState& state, const stream::Header& header)
{
    const std::string lineage = format_uuid(header.lineage);
    if (!state.lineage.empty() && state.lineage != lineage) {
        throw Failure(Exit::mismatch,
                      volume.what() + " is a replica of volume " + state.lineage +
                          ", but the stream is of volume " + lineage,
                      "receive it into another volume");
    }
}

const SnapshotEntry& need_base(const Volume& volume, const std::vector<SnapshotEntry>& list,
                               const ReplicaState& state, const std::string& from)
{
    const SnapshotEntry* base = with_uuid(list, from);
    if (base == nullptr || base->squashed) {
        throw Failure(
            Exit::not_found,
            volume.what() + ": the stream is based on snapshot " + from + ", which is not here; " +
                (state.last.empty() ? "nothing was ever received" : "the last one received is " + state.last),
            "send what changed since a snapshot that both sides have, or a full stream");
    }
    return *base;
}

// An incremental stream changes its base into something new: anything else would become a wrong snapshot.
void refuse_changed_origin(const Volume& volume, Daemon& daemon, const ReplicaState& state,
                           const SnapshotEntry& base, const Compared& compared)
{
    if (!origin_equals(volume, daemon, base, compared)) {
        const std::string& from = base.uuid;
        throw Failure(Exit::mismatch,
                      volume.what() + " differs from snapshot " + from +
                          ", on which the stream is based: the volume was" +
                          " written to, or has received newer snapshots",
                      from == state.last
                          ? "take back what was written: zumastor receive --abort " + volume.config().name
                          : "send what changed since " + state.last);
    }
}

} // namespace

void refuse_bad_stream(const Volume& volume, Daemon& daemon, const ReplicaState& state,
                       const stream::Header& header)
{
    refuse_wrong_role(volume);
    refuse_wrong_shape(volume, daemon.status(), header);
    refuse_other_lineage(volume, state, header);
    const std::string to = format_uuid(header.to);
    if (with_uuid(daemon.list(), to) != nullptr) {
        throw Failure(Exit::exists, volume.what() + " has snapshot " + to + " already",
                      "there is nothing to do");
    }
    if (!header.full()) {
        need_base(volume, daemon.list(), state, format_uuid(header.from));
    }
    const bool goes_on = state.reception && state.reception->to == to &&
                         state.reception->from == format_uuid(header.from) &&
                         header.first_chunk <= state.reception->next_chunk;
    if (header.first_chunk > 0 && !goes_on) {
        throw Failure(Exit::mismatch,
                      volume.what() + ": the stream resumes at chunk " + std::to_string(header.first_chunk) +
                          ", but this does not match what was received before",
                      state.reception ? "resume with: --resume " + format_token(*state.reception)
                                      : "send the stream from the beginning");
    }
}

namespace {

// Kinds that were asked for here are taken with it. A crash between the two steps takes them twice, not
// never.
SnapshotEntry take_received(const Volume& volume, const stream::Header& header)
{
    Daemon daemon = volume.daemon(); // it may have been started again during the transfer
    const VolumeLock lock(volume.config().name);
    const std::string& directory = volume.paths().state;
    const TagWithWanted kinds = add_to_tag(header.tag, load_wanted_kinds(directory));
    SnapshotEntry taken = daemon.create(
        ReceivedSnapshot{format_uuid(header.to), header.name, kinds.tag, header.created_ns}, kReceivedLimit);
    remove_wanted_kinds(directory, kinds.taken);
    return taken;
}

// The origin is what the stream begins with: its base, or a part of itself, which `ranges` knows. Takes back
// what another stream has left behind. Returns the base; none: a full stream.
std::optional<SnapshotEntry> prepare_origin(const Volume& volume, Daemon& daemon, ReplicaState& state,
                                            const stream::Header& header, const ReceivedRanges& ranges)
{
    if (header.full()) {
        return std::nullopt;
    }
    const std::string from = format_uuid(header.from);
    const bool goes_on =
        state.reception && state.reception->from == from && state.reception->to == format_uuid(header.to);
    if (state.reception && !goes_on) {
        note(volume.what() + ": an unfinished stream is taken back first");
        take_back(volume, daemon, state);
    }
    SnapshotEntry base = need_base(volume, daemon.list(), state, from);
    grow_to(volume, daemon, base.sectors); // else it has not all of it
    Compared compared = all_of(daemon, base);
    if (goes_on) { // where it stopped, and beyond, the stream may have been written to the origin already
        compared.end = std::min(compared.end, header.first_chunk * header.chunk_bytes());
        compared.first = ranges.known_from();
        compared.without = ranges.all();
    }
    if (compared.first * header.chunk_bytes() < compared.end) {
        refuse_changed_origin(volume, daemon, state, base, compared);
    }
    return base;
}

// Whatever has changed since the base, all of the stream or of that part of it which broke off, it was the
// stream: else somebody has written to the origin meanwhile.
void refuse_foreign_changes(const Volume& volume, Daemon& daemon, const ReplicaState& state,
                            const SnapshotEntry& base, const stream::Header& header,
                            const ReceivedRanges& ranges)
{
    const Compared compared{header.chunk_bytes(), std::min(base.sectors, header.sectors) * 512,
                            ranges.known_from(), ranges.all()};
    const auto is_gone = [&] {
        const std::vector<SnapshotEntry> list = daemon.list();
        const SnapshotEntry* now = with_uuid(list, base.uuid);
        return now == nullptr || now->squashed;
    };
    try {
        refuse_changed_origin(volume, daemon, state, base, compared);
    } catch (const Failure& failure) {
        if (failure.code() == Exit::mismatch || failure.code() == Exit::interrupted || !is_gone()) {
            throw;
        }
    } catch (const stream::TransferError&) {
        if (!is_gone()) {
            throw;
        }
    }
}

stream::ReceiveProgress apply(const Volume& volume, stream::StreamReader& reader, DeviceWriter& writer,
                              ReplicaState& state, ReceivedRanges& ranges, Progress& progress)
{
    const bool full = state.reception->from.empty(); // all of the volume: there is nothing else
    const stream::ReceiveHooks hooks{[&](const stream::ReceiveProgress& p) {
                                         check_interrupt();
                                         progress.show(p.chunks, p.bytes);
                                     },
                                     [&](std::uint64_t next) {
                                         if (!full) {
                                             ranges.keep(next);
                                         }
                                         state.reception->next_chunk = next;
                                         save_replica_state(volume.paths().state, state);
                                     },
                                     [&](std::uint64_t first, std::uint64_t count) {
                                         if (!full) {
                                             ranges.add({first, count});
                                         }
                                     }};
    try {
        return stream::receive(reader, writer, {}, hooks);
    } catch (const NoSpace& error) {
        throw Failure(Exit::store_full,
                      volume.what() + ": " + error.what() +
                          ", and the snapshot that the replica shows needs more room",
                      "delete other snapshots or enlarge the store, then replicate again");
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what(),
                      "what was received correctly is kept; resume with: zumastor send VOL --resume " +
                          format_token(*state.reception));
    }
}

stream::Header need_header(stream::StreamReader& reader)
{
    auto header = reader.begin();
    if (!header) {
        throw Failure(Exit::failed, "byte " + std::to_string(header.error().offset) +
                                        " of the stream: " + header.error().what);
    }
    return std::move(*header);
}

} // namespace

void refuse_wrong_role(const Volume& volume)
{
    if (volume.config().master) {
        throw Failure(Exit::usage, volume.what() + " is a master: a stream would overwrite it",
                      "receive into another volume, or give up its role: zumastor forget volume " +
                          volume.config().name + ", then define the volume again");
    }
    if (!mapper::find(volume.paths().origin_name)) {
        throw Failure(Exit::missing, volume.what() + " is not started",
                      "start it: zumastor start volume " + volume.config().name);
    }
    refuse_if_origin_used(volume);
}

bool is_received(Daemon& daemon, const Reception& reception)
{
    return with_uuid(daemon.list(), reception.to) != nullptr;
}

void end_reception(const Volume& volume, Daemon& daemon, ReplicaState& state)
{
    if (state.reception && is_received(daemon, *state.reception)) {
        state.last = state.reception->to;
        state.reception.reset();
        save_replica_state(volume.paths().state, state);
    }
}

ReplicaOffer offer_of(const Volume& volume)
{
    Daemon daemon = volume.daemon();
    ReplicaState state = load_replica_state(volume.paths().state);
    end_reception(volume, daemon, state);
    refuse_wrong_role(volume);
    const VolumeEntry store = daemon.status();
    ReplicaOffer offer{volume.config().name, store.uuid,           UuidText::need(state.lineage),
                       store.chunk_bytes,    store.origin_sectors, {},
                       state.reception};
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (!snapshot.squashed && !state.lineage.empty()) {
            offer.snapshots.push_back(snapshot.uuid);
        }
    }
    offer.sector_bytes = sectors_here(volume.config());
    if (volume.config().source) {
        offer.bytes_per_second = volume.config().source->bytes_per_second;
    }
    return offer;
}

Incoming::Incoming(int fd) : source_(fd, kReadAhead), reader_(source_), header_(need_header(reader_)) {}

Received receive_from(Volume& volume, const ProgressOptions& shown, Incoming& incoming)
{
    const stream::Header& header = incoming.header();
    Daemon daemon = volume.daemon();
    ReplicaState state = load_replica_state(volume.paths().state);
    end_reception(volume, daemon, state);
    refuse_bad_stream(volume, daemon, state, header);
    const Reception reception{format_uuid(header.from), format_uuid(header.to), header.first_chunk};
    ReceivedRanges ranges(volume.paths().state, reception);
    const auto base = prepare_origin(volume, daemon, state, header, ranges);
    grow_to(volume, daemon, header.sectors);
    state.lineage = format_uuid(header.lineage);
    state.reception = reception;
    save_replica_state(volume.paths().state, state);

    protect_shown(volume.paths().state, daemon, state.last);
    Progress progress(shown, header);
    // Nobody mounts it, or puts anything else on it, while it is written to. Who used it before was refused
    // at the beginning (refuse_wrong_role). A failure here is like one of the transfer's: what has come is
    // noted, and the next cycle goes on.
    const auto held =
        open_exclusive(need_block_device(volume.paths().origin_device, "origin"), O_RDONLY, "origin");
    auto device = std::make_unique<DeviceWriter>(volume.paths().origin_device);
    const auto got = apply(volume, incoming.reader(), *device, state, ranges, progress);
    Daemon after = volume.daemon(); // it may have been started again during the transfer
    if (base) {
        refuse_foreign_changes(volume, after, state, *base, header, ranges);
    }
    shrink_to(volume, after, header.sectors);
    SnapshotEntry taken = take_received(volume, header);
    state.last = taken.uuid;
    state.received_ns = now_ns();
    state.reception.reset();
    save_replica_state(volume.paths().state, state);
    release_shown(volume.paths().state, after);
    progress.finish(got.chunks, got.bytes);
    return {std::move(taken), std::move(device), got.bytes};
}

} // namespace zumastor
