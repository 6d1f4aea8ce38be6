// SPDX-License-Identifier: GPL-2.0
// One simulated run: a volume, its daemon, its clients and an administrator, driven through loads and
// crashes, and compared with the model.
//
//   format ─► boot ─► [ load ─► crash (─► crash again while recovering)* ─► recover ─► compare ]* ─► drain ─►
//   compare ─► check ─► close in order ─► boot ─► compare
//
// Files: world.cpp (life and death), load.cpp (what happens in between), admin.cpp (control operations),
// resize.cpp (lengths), revert.cpp (the origin becomes what a snapshot holds), compare.cpp (the verdict).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/context.h"
#include "sim/daemon.h"
#include "sim/model.h"
#include "sim/origin_client.h"
#include "sim/setup.h"
#include "sim/snapshot_client.h"

namespace sim {

struct Statistics {
    std::uint64_t events = 0;
    std::uint64_t daemon_crashes = 0;
    std::uint64_t power_cuts = 0;
    std::uint64_t client_crashes = 0;
    std::uint64_t recoveries_cut = 0; // crashes before the store was open again
    std::uint64_t snapshots = 0;
    std::uint64_t removed = 0;
    std::uint64_t squashed = 0;
    std::uint64_t grown = 0;  // origins, stores
    std::uint64_t shrunk = 0; // origins
    std::uint64_t stores_shrunk = 0;
    std::uint64_t zones_shrunk = 0; // metadata devices
    std::uint64_t moved = 0;        // chunks
    std::uint64_t checkpoints = 0;
    std::uint64_t copied = 0;
    std::uint64_t compared = 0;        // snapshots compared as a whole
    std::uint64_t deltas = 0;          // deltas compared
    std::uint64_t reverted = 0;        // origins
    std::uint64_t reverts_resumed = 0; // after a crash in the middle

    void add(const Statistics& other);
    std::string describe() const;
};

// The origin becomes what a snapshot holds: step by step, with crashes in between, after which it begins
// anew. Until it has ended nobody else writes to the origin.
struct Revert {
    std::uint64_t snapshot = 0;
    SnapshotClient* reader = nullptr;
    bool listed = false; // `left` is what differs
    bool flushed = false;
    std::uint64_t block = 0;  // of the piece at work
    std::uint64_t blocks = 0; // in it; 0 = none is
    bool written = false;     // the piece was given to the origin's client
    std::vector<snapstore::ChunkRange> left;
};

class World final : public Listener, public ddsnap::ClientProbe {
public:
    World(Context& context, const Setup& setup, ClientBug bug);
    ~World() override;

    // True if nothing was found; else context.failure() says what.
    bool run();
    const Statistics& statistics() const noexcept { return statistics_; }

    std::shared_ptr<Connection> connect(const Identity& identity) override;
    bool proven_gone(const snapstore::Attachment& attachment) noexcept override;

private:
    // ---- world.cpp ----
    bool make_disks(const snapstore::Format& format);
    bool format();
    void boot();
    void boot_when_quiet();
    void opened();
    void crash();
    void crash_daemon();
    void crash_power();
    void crash_client();
    void observe_origin(const char* when);
    bool everyone_left() const;
    bool step_until(const std::function<bool()>& condition, Micros limit, const char* waiting_for);
    Identity make_identity(std::string name, bool process);
    void start_origin_client();
    bool round();
    bool recover();
    bool finish();
    Daemon* daemon() { return daemons_.empty() ? nullptr : daemons_.back().get(); }
    std::string state() const;

    // ---- load.cpp ----
    void next_operation();
    void operate();
    void origin_operation();
    void snapshot_operation();
    void attach_snapshot_client();
    SnapshotClient* add_snapshot_client(std::uint64_t id, bool read_only);
    void break_a_connection();
    void coming_and_going();
    SnapshotClient* some_snapshot_client();
    std::uint64_t some_block(std::uint64_t blocks);

    // ---- admin.cpp ----
    void admin_operation();
    void admin_create();
    void admin_remove();
    void admin_priority();
    void admin_use();
    snapstore::Task<void> run_create(Daemon& daemon, std::string name, int priority, Micros timeout);
    snapstore::Task<void> run_remove(Daemon& daemon, std::uint64_t id, bool force);
    snapstore::Task<void> run_priority(Daemon& daemon, std::uint64_t id, int priority);
    snapstore::Task<void> run_use(Daemon& daemon, std::uint64_t id, std::int64_t difference);
    snapstore::Task<void> run_checkpoint(Daemon& daemon);
    SnapshotModel* some_snapshot();

    // ---- resize.cpp ----
    void admin_resize();
    void resize_when_connected(std::uint64_t sectors, unsigned patience);
    void admin_resize_store();
    void admin_grow_store();
    void admin_shrink_store();
    void admin_shrink_meta();
    snapstore::Task<void> run_resize(Daemon& daemon, std::uint64_t sectors);
    snapstore::Task<void> run_grow_store(Daemon& daemon);
    snapstore::Task<void> run_shrink_store(Daemon& daemon, std::uint64_t chunks);
    snapstore::Task<void> run_shrink_meta(Daemon& daemon, snapstore::Bytes size);
    void follow_size();
    void give_away_end(std::uint64_t from);

    // ---- revert.cpp ----
    void begin_revert();
    void continue_revert();
    void list_anew();
    bool list_what_differs();
    void revert_piece();
    void end_revert();
    bool is_written(std::uint64_t snapshot) const;

    // ---- compare.cpp ----
    bool idle() const;
    bool run_until_idle(const char* when);
    bool compare(const char* when);
    bool compare_snapshot(std::uint64_t id);
    void compare_deltas();
    bool list_delta(snapstore::SnapshotId from, std::optional<snapstore::SnapshotId> to,
                    std::vector<snapstore::ChunkRange>& ranges);
    void compare_delta(const SnapshotModel& from, const SnapshotModel* to);
    bool check_store();
    snapstore::Task<void> run_check(Daemon& daemon, bool& done);

    Context& context_;
    Setup setup_;
    ClientBug bug_;
    Statistics statistics_;
    std::unique_ptr<Disk> origin_disk_;
    std::unique_ptr<Disk> store_disk_;
    std::unique_ptr<Disk> meta_disk_;
    Disks disks_;
    Model model_;
    // The dead are kept to the end: events may still name them.
    std::vector<std::unique_ptr<Daemon>> daemons_;
    std::vector<std::unique_ptr<OriginClient>> origin_clients_;
    std::vector<std::unique_ptr<SnapshotClient>> snapshot_clients_;
    std::map<snapstore::Uuid, Client*> registry_;
    OriginClient* origin_ = nullptr; // the one that is there, if one is
    snapstore::Uuid boot_id_{};
    std::uint64_t identities_ = 0;
    std::uint64_t names_ = 0;
    unsigned operations_left_ = 0;
    unsigned admin_under_way_ = 0;
    bool store_was_shrunk_ = false; // by the last resize that succeeded
    std::uint64_t sequential_ = 0;  // where the sequential writer is
    bool booting_ = false;
    bool resizing_ = false; // asked of the present daemon, not answered
    bool driving_ = false;  // an operation event is scheduled
    std::optional<Revert> revert_;
};

} // namespace sim
