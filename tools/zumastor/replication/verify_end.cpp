// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/verify_end.h"

#include <algorithm>
#include <bit>
#include <csignal>

#include "tools/common/failure.h"
#include "tools/common/uuid_text.h"
#include "tools/zumastor/replication/repair.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/sectors.h"

namespace zumastor {

VerifyHello VerifyEnd::hello() const
{
    Daemon daemon = volume_.daemon();
    const VolumeConfig& config = volume_.config();
    const std::string role = config.master ? "master" : config.source ? "replica" : "";
    VerifyHello hello{config.name, role, daemon.status().chunk_bytes, {}};
    for (const SnapshotEntry& snapshot : daemon.list()) {
        if (!snapshot.squashed) {
            hello.snapshots.push_back(snapshot.uuid);
        }
    }
    hello.sector_bytes = sectors_needed(volume_);
    return hello;
}

std::uint64_t VerifyEnd::open(const std::string& uuid)
{
    const std::vector<SnapshotEntry> list = volume_.daemon().list();
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const SnapshotEntry& s) { return s.uuid == uuid; });
    if (found == list.end() || found->squashed) {
        throw Failure(Exit::not_found,
                      volume_.what() + ": snapshot " + uuid +
                          (found == list.end() ? " is not here" : " was squashed: its content is gone"),
                      "compare another one: zumastor status " + volume_.config().name);
    }
    snapshot_ = *found;
    content_ = open_content(volume_, snapshot_);
    return snapshot_.sectors * 512;
}

// A range that cannot be read: is it the range, or all of the snapshot?
void VerifyEnd::need_content(std::uint64_t offset) const
{
    const std::string label = volume_.what() + ": snapshot " + std::to_string(snapshot_.id);
    const auto now = volume_.daemon().find(snapshot_.id);
    if (!now || now->squashed) {
        throw Failure(Exit::not_found, label + " was squashed: its content is gone", "compare another one");
    }
    if (side_ == Side::upstream) {
        throw Failure(Exit::failed, label + " cannot be read at byte " + std::to_string(offset),
                      "see the daemon's log; a damaged snapshot cannot repair a replica");
    }
}

void VerifyEnd::hash(const stream::Ranges& ranges, std::uint64_t first, std::uint64_t count,
                     const std::function<void(std::uint64_t, const stream::RangeHash&)>& visit)
{
    if (content_ == nullptr || ranges.size > snapshot_.sectors * 512 || first > ranges.count() ||
        count > ranges.count() - first) {
        throw Failure(Exit::failed, volume_.what() + ": the other side asked for ranges that do not exist");
    }
    stream::hash_ranges(*content_, ranges, first, count,
                        [&](std::uint64_t range, const stream::RangeHash& hash) {
                            check_interrupt();
                            if (hash.empty()) {
                                need_content(range * ranges.unit);
                            }
                            visit(range, hash);
                        });
}

void VerifyEnd::send(const std::vector<stream::ChunkRun>& runs, const stream::SendOptions& options, int fd)
{
    if (content_ == nullptr) {
        throw Failure(Exit::failed,
                      volume_.what() + ": the other side asked for chunks, but named no snapshot");
    }
    const VolumeEntry store = volume_.daemon().status();
    const ReplicaState state = load_replica_state(volume_.paths().state);
    stream::Header header;
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(store.chunk_bytes));
    header.lineage = need_uuid(state.lineage.empty() ? store.uuid : state.lineage);
    header.from = need_uuid(snapshot_.uuid);
    header.to = header.from;
    header.sectors = snapshot_.sectors;
    header.created_ns = snapshot_.created_ns;
    std::uint64_t end = 0;
    for (const stream::ChunkRun& run : runs) {
        if (run.first < end || run.first > header.all_chunks() ||
            run.count > header.all_chunks() - run.first) {
            throw Failure(Exit::failed,
                          volume_.what() + ": the other side asked for chunks that do not exist");
        }
        end = run.first + run.count;
        header.chunks += run.count;
    }
    stream::FdSink sink(fd);
    const auto next = [&runs, at = std::size_t{0}]() mutable {
        return at < runs.size() ? std::optional(runs[at++]) : std::nullopt;
    };
    stream::send(header, next, *content_, sink, options,
                 [](const stream::SendProgress&) { check_interrupt(); });
}

void VerifyEnd::take(int fd)
{
    content_.reset(); // nobody may read what is going to be written
    repair_from(volume_, snapshot_, fd);
}

} // namespace zumastor
