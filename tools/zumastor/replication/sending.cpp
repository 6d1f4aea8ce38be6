// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/sending.h"

#include <algorithm>
#include <bit>
#include <csignal>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/uuid_text.h"
#include "tools/zumastor/state/bookmark_file.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/bookmark.h"
#include "tools/zumastor/volume/sectors.h"
#include "tools/zumastor/volume/snapshot_content.h"

namespace zumastor {
namespace {

// What has changed up to the bookmark's end, and from there to what is sent (bookmark.h).
stream::RunSource since_bookmark(Daemon& daemon, const SendEnds& ends, std::uint64_t all_chunks)
{
    const auto ranges = std::make_shared<const std::vector<DeltaRange>>(
        merge_ranges(ends.bookmark->ranges, ranges_between(daemon, ends.bookmark->marked, ends.to)));
    return [ranges, all_chunks, at = std::size_t{0},
            begin = ends.first_chunk]() mutable -> std::optional<stream::ChunkRun> {
        while (at < ranges->size() && (*ranges)[at].first + (*ranges)[at].count <= begin) {
            ++at;
        }
        if (at == ranges->size() || (*ranges)[at].first >= all_chunks) {
            return std::nullopt;
        }
        const DeltaRange& range = (*ranges)[at++];
        const std::uint64_t first = std::max(range.first, begin);
        return stream::ChunkRun{first, std::min(range.first + range.count, all_chunks) - first};
    };
}

// What is to be sent, from the daemon's index; asked for again for each pass.
stream::RunSource runs_of(Daemon& daemon, const SendEnds& ends, std::uint64_t all_chunks)
{
    if (!ends.from) {
        return [first = ends.first_chunk, all_chunks]() mutable -> std::optional<stream::ChunkRun> {
            const stream::ChunkRun run{first, all_chunks - first};
            first = all_chunks;
            return run.count > 0 ? std::optional(run) : std::nullopt;
        };
    }
    if (ends.bookmark) {
        return since_bookmark(daemon, ends, all_chunks);
    }
    DeltaEntry step;
    step.next = ends.first_chunk;
    return
        [&daemon, &ends, all_chunks, step, at = std::size_t{0}]() mutable -> std::optional<stream::ChunkRun> {
            while (at == step.ranges.size() && !step.done) {
                step = daemon.delta_step(*ends.from, ends.to, step.next);
                at = 0;
            }
            // A volume that has shrunk since `from`: what is beyond its end is nowhere to be written.
            if (at == step.ranges.size() || step.ranges[at].first >= all_chunks) {
                return std::nullopt;
            }
            const DeltaRange range = step.ranges[at++];
            return stream::ChunkRun{range.first, std::min(range.count, all_chunks - range.first)};
        };
}

std::uint64_t count_chunks(const stream::RunSource& runs)
{
    std::uint64_t chunks = 0;
    while (const auto run = runs()) {
        chunks += run->count;
    }
    return chunks;
}

stream::Header header_of(const Volume& volume, const VolumeEntry& store, const SendEnds& ends)
{
    const ReplicaState state = load_replica_state(volume.paths().state);
    stream::Header header;
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(store.chunk_bytes));
    header.lineage = need_uuid(state.lineage.empty() ? store.uuid : state.lineage);
    header.from = need_uuid(ends.from ? ends.from->uuid : UuidText{});
    header.to = need_uuid(ends.to.uuid);
    header.sectors = ends.to.sectors;
    header.first_chunk = ends.first_chunk;
    header.created_ns = ends.to.created_ns;
    header.name = ends.to.name;
    header.tag = ends.to.tag;
    header.sector_shift = static_cast<std::uint32_t>(std::countr_zero(sectors_needed(volume)));
    header.patches = ends.patches && ends.from && !ends.bookmark; // else the base is not there to be read
    return header;
}

// The header, with what it announces counted.
stream::Header announce(const Volume& volume, Daemon& daemon, const SendEnds& ends)
{
    stream::Header header = header_of(volume, daemon.status(), ends);
    header.chunks = count_chunks(runs_of(daemon, ends, header.all_chunks()));
    return header;
}

const SnapshotEntry* readable(const std::vector<SnapshotEntry>& list, const std::string& uuid)
{
    const auto found = std::find_if(list.begin(), list.end(), [&](const SnapshotEntry& snapshot) {
        return snapshot.uuid == uuid && !snapshot.squashed;
    });
    return found == list.end() ? nullptr : &*found;
}

// The newest snapshot older than `to` that the receiver has, too.
const SnapshotEntry* common_base(const std::vector<SnapshotEntry>& mine, const ReplicaOffer& offer,
                                 const SnapshotEntry& to)
{
    for (auto theirs = offer.snapshots.rbegin(); theirs != offer.snapshots.rend(); ++theirs) {
        const SnapshotEntry* base = readable(mine, *theirs);
        if (base != nullptr && base->epoch < to.epoch) {
            return base;
        }
    }
    return nullptr;
}

// `from` is gone here, and the replica has it.
SendEnds ends_by_bookmark(const Volume& volume, const std::vector<SnapshotEntry>& mine,
                          const Changelist& list, const SnapshotEntry& to, std::uint64_t first_chunk)
{
    const SnapshotEntry* marked = readable(mine, list.header.to.uuid);
    if (marked == nullptr) {
        throw Failure(Exit::not_found,
                      volume.what() + ": snapshot " + list.header.from.uuid +
                          ", which the replica has, is not here any more, nor is snapshot " +
                          list.header.to.uuid + ", where the list of changes since then ends",
                      "send everything again: zumastor replicate VOL HOST --full");
    }
    SendEnds ends{SnapshotEntry{}, to, first_chunk};
    ends.from->uuid = UuidText::need(list.header.from.uuid);
    ends.bookmark = std::make_shared<const SendEnds::Bookmark>(SendEnds::Bookmark{*marked, list.ranges});
    return ends;
}

// What the receiver broke off, if it can go on.
std::optional<SendEnds> ends_of_reception(const Volume& volume, const std::vector<SnapshotEntry>& mine,
                                          const Reception& reception,
                                          const std::optional<Changelist>& bookmark)
{
    const SnapshotEntry* begun = readable(mine, reception.to);
    const SnapshotEntry* from = readable(mine, reception.from);
    if (begun == nullptr) {
        return std::nullopt;
    }
    if (from != nullptr || reception.from.empty()) {
        SendEnds ends{{}, *begun, reception.next_chunk};
        if (from != nullptr) {
            ends.from = *from;
        }
        return ends;
    }
    if (bookmark && bookmark->header.from.uuid == reception.from &&
        readable(mine, bookmark->header.to.uuid) != nullptr) {
        return ends_by_bookmark(volume, mine, *bookmark, *begun, reception.next_chunk);
    }
    return std::nullopt;
}

// UUID of the volume that the content comes from, however often it was handed on.
std::string lineage_of(const Volume& volume)
{
    const ReplicaState state = load_replica_state(volume.paths().state);
    return state.lineage.empty() ? volume.config().uuid : state.lineage;
}

} // namespace

std::optional<SendEnds> plan_for(const Volume& volume, const std::vector<SnapshotEntry>& mine,
                                 const ReplicaOffer& offer, const SnapshotEntry& to, bool full)
{
    if (std::find(offer.snapshots.begin(), offer.snapshots.end(), to.uuid) != offer.snapshots.end()) {
        return std::nullopt;
    }
    if (const std::string mine_is = lineage_of(volume); !offer.lineage.empty() && offer.lineage != mine_is) {
        throw Failure(Exit::mismatch,
                      "volume " + offer.volume + " on the other side is a replica of volume " +
                          offer.lineage + ", " + volume.what() + " is " + mine_is,
                      "replicate to another volume; nothing was sent");
    }
    const auto bookmark = load_bookmark(volume.paths().state, offer.uuid);
    if (offer.reception && !full) {
        if (auto ends = ends_of_reception(volume, mine, *offer.reception, bookmark)) {
            return ends;
        }
    }
    if (full || offer.snapshots.empty()) {
        return SendEnds{{}, to};
    }
    // The replica's origin holds its newest snapshot; an older one that both have would not do.
    const std::string& newest = offer.snapshots.back();
    if (bookmark && bookmark->header.from.uuid == newest && readable(mine, newest) == nullptr) {
        note(volume.what() + ": snapshot " + newest +
             ", which the replica has, is gone here; the list of changes since then is used");
        return ends_by_bookmark(volume, mine, *bookmark, to, 0);
    }
    if (const SnapshotEntry* base = common_base(mine, offer, to)) {
        return SendEnds{*base, to};
    }
    throw Failure(Exit::not_found,
                  volume.what() + ": none of the replica's snapshots is here any more (its newest is " +
                      offer.snapshots.back() + ")",
                  "send everything again: zumastor replicate VOL HOST --full");
}

Sent send_to(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
             const ProgressOptions& shown, stream::ByteSink& sink)
{
    Daemon daemon = volume.daemon();
    // Open snapshots cannot be deleted: both stay as long as this program needs them.
    const auto content = open_content(volume, ends.to);
    const auto base = ends.bookmark ? open_content(volume, ends.bookmark->marked)
                      : ends.from   ? open_content(volume, *ends.from)
                                    : nullptr;
    const stream::Header header = announce(volume, daemon, ends);
    const stream::Base old{base.get(), header.patches ? ends.from->sectors * 512 : 0};
    Progress progress(shown, header);
    try {
        const auto sent = stream::send(
            header, runs_of(daemon, ends, header.all_chunks()), *content, sink, options,
            [&](const stream::SendProgress& p) {
                check_interrupt();
                progress.show(p.chunks, p.bytes);
            },
            old);
        progress.finish(sent.chunks, sent.bytes);
        if (!sent.base_error.empty()) {
            note(volume.what() + ": from some point on, chunks were sent whole: " + sent.base_error);
        }
        return {header, sent};
    } catch (const stream::SinkError&) {
        throw; // the caller knows more about who is at the other end
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what());
    }
}

stream::SendProgress send_to(const Volume& volume, const SendEnds& ends, const stream::SendOptions& options,
                             const ProgressOptions& shown, int fd)
{
    (void)std::signal(SIGPIPE, SIG_IGN);
    stream::FdSink sink(fd);
    return send_to(volume, ends, options, shown, sink).amount;
}

} // namespace zumastor
