// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/store_watch.h"

#include <utility>

#include <fmt/format.h>

namespace ddsnap::daemon {

StoreWatch::StoreWatch(const snapstore::Store& store, const Options& options, ServiceLog& log)
    : store_(store), log_(log), snapshot_first_(options.snapshot_first), chunks_(options.warn_at),
      metadata_(options.warn_at)
{}

void StoreWatch::begin()
{
    for (const auto& snapshot : store_.snapshots().list()) {
        if (snapshot.state == snapstore::SnapshotState::squashed) {
            squashed_.insert(snapshot.id.value);
        }
    }
    squashes_told_ = store_.counters().squashed;
}

void StoreWatch::look()
{
    const auto info = store_.info();
    const std::uint64_t chunks = info.store_chunks - info.free_chunks - info.pending_chunks;
    const char* then = snapshot_first_ ? "writes to the origin fail" : "snapshots are given up";
    if (const auto mark = chunks_.look(chunks, info.store_chunks)) {
        log_.log(
            Severity::warning,
            fmt::format("the snapshot store is {} % full: {} of {} chunks are used. When it is full, {}; "
                        "delete some snapshots, or enlarge it",
                        *mark, chunks, info.store_chunks, then));
    }
    const std::uint64_t blocks = info.meta_blocks - info.free_meta_blocks;
    if (const auto mark = metadata_.look(blocks, info.meta_blocks)) {
        log_.log(Severity::warning,
                 fmt::format("the snapshot store's metadata area is {} % full: {} of {} blocks are used. "
                             "When it is full, {}; delete some snapshots",
                             *mark, blocks, info.meta_blocks, then));
    }
    if (store_.counters().squashed != squashes_told_) {
        squashes_told_ = store_.counters().squashed;
        tell_squashed();
    }
}

void StoreWatch::tell_squashed()
{
    const char* why = store_.info().failed ? "the store failed" : "the store had no room for it";
    std::set<std::uint64_t> now;
    for (const auto& snapshot : store_.snapshots().list()) {
        if (snapshot.state == snapstore::SnapshotState::squashed) {
            now.insert(snapshot.id.value);
            if (squashed_.count(snapshot.id.value) == 0) {
                log_.log(Severity::error,
                         fmt::format("snapshot {} was given up: {}", snapshot.id.value, why));
            }
        }
    }
    squashed_ = std::move(now);
}

} // namespace ddsnap::daemon
