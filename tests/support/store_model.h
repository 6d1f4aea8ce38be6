// SPDX-License-Identifier: GPL-2.0
// A client of the store and a model of what must be read: the origin as it is, and each snapshot's whole
// content. Chunks are described by stamps (0 = zeros), from which their bytes follow.
//
// The client behaves like the kernel target: it writes the origin only when StoreOrigin::write() has allowed it,
// and only what it was asked for in the present epoch.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/sim_world.h"

namespace zumastor::test {

class StoreModel {
public:
    using Stamp = std::uint64_t;
    struct Image {
        std::vector<Stamp> chunks;
    };

    explicit StoreModel(SimWorld& world);

    // Starts one random operation; it ends some time later, within world.pump().
    void start_random();
    std::size_t under_way() const noexcept { return under_way_; }

    // After power_cut() or kill() and a new open(): what was under way may have happened or not.
    void reconcile();
    // Compares every snapshot, and the deltas between them, with the store, and runs check(). Returns what is
    // wrong; empty if nothing.
    std::string compare();

    void create();
    // Says of an operation's error that it is no surprise ("origin write", "snapshot write", "snapshot read",
    // "create" or "remove"). None: every error is, but for those of a snapshot that is gone.
    std::function<bool(std::string_view operation, const Error& error)> excused;
    std::string surprise; // the first thing that an operation did that it must not

private:
    Task<void> write_origin(FramePool& frames, ChunkRange range);
    Task<void> write_snapshot(FramePool& frames, SnapshotId id, Chunk chunk);
    Task<void> read_snapshot(FramePool& frames, SnapshotId id, ChunkRange range);
    Task<void> take_snapshot(FramePool& frames);
    Task<void> remove_snapshot(FramePool& frames, SnapshotId id);
    void wrong(const std::string& what);
    void check_error(const Error& error, const char* operation);
    Stamp new_stamp();
    void fill(std::span<std::byte> to, Stamp stamp) const;
    Stamp stamp_of(std::span<const std::byte> from) const;
    Stamp read_place(const Extent& extent, std::uint64_t index) const;
    std::optional<SnapshotId> random_snapshot();
    ChunkRange random_range();
    std::string compare_snapshot(SnapshotId id, const Image& image);
    std::string compare_delta(SnapshotId from, std::optional<SnapshotId> to);

    SimWorld& world_;
    std::uint64_t chunk_bytes_;
    std::uint64_t chunks_;
    std::vector<Stamp> origin_;
    std::map<std::uint64_t, Image> snapshots_;
    std::map<std::uint64_t, Image> creating_; // not yet acknowledged
    std::set<std::uint64_t> removing_;        // the same
    std::set<std::uint64_t> doubtful_;        // create() reported a failed store: may exist, with any content
    std::size_t under_way_ = 0;
    std::size_t writers_ = 0;        // origin writes under way
    bool holding_ = false;           // a snapshot is being taken: no origin writes
    std::set<std::uint64_t> locked_; // chunks being written
    std::uint64_t life_ = 0;         // counts reconcile(): an operation of an earlier life is silent
    Stamp next_stamp_ = 1;
};

} // namespace zumastor::test
