// SPDX-License-Identifier: GPL-2.0
// Commands that ask a running daemon.
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <limits>

#include "tools/common/block_device.h"
#include "tools/common/changelist.h"
#include "tools/common/daemon.h"
#include "tools/common/text.h"
#include "tools/ddsnap/commands.h"

namespace zumastor::ddsnap {
namespace {

constexpr std::chrono::milliseconds kCreateLimit{30000};

Daemon connect(const OfDaemon& given) { return Daemon(given.socket, "server " + given.socket); }

SnapshotEntry need_snapshot(Daemon& daemon, std::uint64_t id)
{
    if (auto snapshot = daemon.find(id)) {
        return *snapshot;
    }
    throw Failure(Exit::not_found, "snapshot " + std::to_string(id) + " does not exist");
}

void print_snapshots(const std::vector<SnapshotEntry>& snapshots)
{
    std::vector<std::vector<std::string>> rows{
        {"SNAP", "CREATED", "SIZE", "PRIORITY", "USE", "STATE", "CLIENTS", "TAG", "NAME"}};
    for (const SnapshotEntry& snapshot : snapshots) {
        rows.push_back({std::to_string(snapshot.id), format_rfc3339(snapshot.created_ns),
                        format_size(snapshot.sectors * kSectorBytes), std::to_string(snapshot.priority),
                        std::to_string(snapshot.use_count), snapshot.squashed ? "squashed" : "normal",
                        std::to_string(snapshot.clients), snapshot.tag, snapshot.name});
    }
    std::fputs(format_table(rows).c_str(), stdout);
}

void print_volume(const VolumeEntry& volume, bool verbose)
{
    const std::uint64_t used = volume.store_chunks - volume.free_chunks;
    std::printf("volume    %s, %s\n", volume.uuid.c_str(), volume.failed ? "FAILED" : "normal");
    if (volume.failed) {
        std::printf("failure   %s: %s\n", volume.failure.c_str(),
                    volume.given_up ? "all snapshots are given up, writes go on without the store"
                                    : "writes to the origin that need the store fail");
    }
    std::printf("policy    %s\n", volume.snapshot_first ? "snapshot first" : "origin first");
    std::printf("origin    %s (%" PRIu64 " sectors), chunk %s\n",
                format_size(volume.origin_sectors * kSectorBytes).c_str(), volume.origin_sectors,
                format_size(volume.chunk_bytes).c_str());
    std::printf("store     %s of %s used, metadata %" PRIu64 " of %" PRIu64 " blocks\n",
                format_size(used * volume.chunk_bytes).c_str(),
                format_size(volume.store_chunks * volume.chunk_bytes).c_str(),
                volume.meta_blocks - volume.free_meta_blocks, volume.meta_blocks);
    if (volume.lost_chunks > 0) {
        std::printf("lost      %" PRIu64 " places of snapshots, where the origin could not be read\n",
                    volume.lost_chunks);
    }
    if (volume.bad_chunks > 0) {
        std::printf("bad       %" PRIu64 " places of the store cannot be written, and are not used\n",
                    volume.bad_chunks);
    }
    if (!verbose) {
        return;
    }
    for (const LostChunkEntry& lost : volume.lost) {
        std::vector<std::string> ids;
        for (const std::uint64_t id : lost.snapshots) {
            ids.push_back(std::to_string(id));
        }
        std::printf("lost      chunk %" PRIu64 " of snapshot %s\n", lost.chunk, join(ids, ", ").c_str());
    }
    std::printf("known     %" PRIu64 " places of the origin, by which it is recognised\n",
                volume.origin_samples);
    std::printf("journal   %" PRIu64 " of %" PRIu64 " blocks, exceptions %" PRIu64 "%s\n",
                volume.journal_used, volume.journal_blocks, volume.exceptions,
                volume.sweeping ? ", sweeping" : "");
    for (const ClientEntry& client : volume.clients) {
        std::printf("client    %s%s %s %s%s\n", client.origin ? "origin" : "snapshot ",
                    client.origin ? "" : std::to_string(client.snapshot).c_str(), client.name.c_str(),
                    client.connected ? "connected" : "out of reach", client.attached ? ", attached" : "");
    }
    for (const auto& [name, value] : volume.counters) {
        std::printf("counter   %s %" PRIu64 "\n", name.c_str(), value);
    }
}

struct OneSnapshot : OfDaemon {
    std::string snapshot;
};

struct Priority : OneSnapshot {
    std::string priority;
};

struct Usecount : OneSnapshot {
    std::optional<std::string> difference;
};

struct Resize : OfDaemon {
    std::optional<std::string> origin;
    std::optional<std::string> store;
    std::optional<std::string> meta;
};

struct DeltaChangelist : OfDaemon {
    std::string file;
    std::string from;
    std::string to;
};

struct Status : OfDaemon {
    std::optional<std::string> snapshot;
    bool list = false;
    bool last = false;
    bool size = false;
    bool state = false;
    bool verbose = false;
};

Exit create_snapshot(const OneSnapshot& given)
{
    NewSnapshot wanted;
    wanted.id = snapshot_number(given.snapshot);
    connect(given).create(wanted, kCreateLimit);
    return Exit::ok;
}

Exit delete_snapshot(const OneSnapshot& given)
{
    connect(given).remove(snapshot_number(given.snapshot));
    return Exit::ok;
}

Exit list_snapshots(const OfDaemon& given)
{
    print_snapshots(connect(given).list());
    return Exit::ok;
}

Exit priority(const Priority& given)
{
    const auto value = static_cast<int>(need_integer(given.priority, "priority", -128, 127));
    connect(given).set_priority(snapshot_number(given.snapshot), value);
    return Exit::ok;
}

Exit usecount(const Usecount& given)
{
    constexpr std::int64_t kLimit = std::numeric_limits<std::int32_t>::max();
    const std::int64_t difference =
        given.difference ? need_integer(*given.difference, "difference", -kLimit, kLimit) : 0;
    Daemon daemon = connect(given);
    const std::uint64_t id = snapshot_number(given.snapshot);
    const auto before = static_cast<std::int64_t>(need_snapshot(daemon, id).use_count);
    try {
        std::printf("%" PRIu64 "\n", daemon.add_use(id, difference));
    } catch (const Failure&) {
        if (before + difference < 0) {
            throw Failure(Exit::failed, "Usecount underflow.",
                          "snapshot " + std::to_string(id) + " has a use count of " + std::to_string(before));
        }
        throw;
    }
    return Exit::ok;
}

Exit resize(const Resize& given)
{
    const auto size_of = [](const std::optional<std::string>& text,
                            const char* what) -> std::optional<std::uint64_t> {
        return text ? std::optional(need_size(*text, what)) : std::nullopt;
    };
    const auto origin = size_of(given.origin, "size of the origin");
    const auto store = size_of(given.store, "size of the snapshot store");
    const auto meta = size_of(given.meta, "size of the metadata device");
    if (origin.value_or(kSectorBytes) < kSectorBytes || store.value_or(1) == 0 || meta.value_or(1) == 0 ||
        (!origin && !store && !meta)) {
        throw Failure(Exit::usage, "no size is given", "give -o SIZE, -s SIZE, -m SIZE or several");
    }
    Daemon daemon = connect(given);
    daemon.resize(origin ? std::optional(*origin / kSectorBytes) : std::nullopt, store, meta);
    return Exit::ok;
}

Exit delta_changelist(const DeltaChangelist& given)
{
    Daemon daemon = connect(given);
    const SnapshotEntry from = need_snapshot(daemon, snapshot_number(given.from));
    const SnapshotEntry to = need_snapshot(daemon, snapshot_number(given.to));
    if (from.epoch >= to.epoch) {
        throw Failure(Exit::usage,
                      "snapshot " + std::to_string(from.id) + " is not older than " + std::to_string(to.id),
                      "give the older one first");
    }
    const ChangelistSize size = write_changelist(daemon, from, to, given.file);
    std::printf("%" PRIu64 " chunks in %" PRIu64 " ranges\n", size.chunks, size.ranges);
    return Exit::ok;
}

// The codes that scripts know; errors of any kind are 9, so that none is taken for "absent".
Exit state_code(const Status& given)
{
    constexpr auto kNormal = static_cast<Exit>(0);
    constexpr auto kAbsent = static_cast<Exit>(1);
    constexpr auto kSquashed = static_cast<Exit>(2);
    constexpr auto kError = static_cast<Exit>(9);
    try {
        Daemon daemon = connect(given);
        if (!given.snapshot) {
            return daemon.status().failed ? kError : kNormal;
        }
        const auto snapshot = daemon.find(snapshot_number(*given.snapshot));
        return !snapshot ? kAbsent : snapshot->squashed ? kSquashed : kNormal;
    } catch (const Failure& failure) {
        report(failure.what(), failure.next());
        return kError;
    }
}

Exit print_size(const Status& given)
{
    Daemon daemon = connect(given);
    const std::uint64_t sectors = given.snapshot
                                      ? need_snapshot(daemon, snapshot_number(*given.snapshot)).sectors
                                      : daemon.status().origin_sectors;
    std::printf("%" PRIu64 "\n", sectors);
    return Exit::ok;
}

Exit status(const Status& given)
{
    if (given.state) {
        return state_code(given);
    }
    if (given.size) {
        return print_size(given);
    }
    Daemon daemon = connect(given);
    std::vector<SnapshotEntry> snapshots = daemon.list();
    if (given.last) {
        if (snapshots.empty()) {
            throw Failure(Exit::not_found, "there is no snapshot");
        }
        std::printf("%" PRIu64 "\n", snapshots.back().id);
        return Exit::ok;
    }
    if (given.snapshot) {
        snapshots = {need_snapshot(daemon, snapshot_number(*given.snapshot))};
    }
    if (given.list) {
        for (const SnapshotEntry& snapshot : snapshots) {
            std::printf("%" PRIu64 "\n", snapshot.id);
        }
        return Exit::ok;
    }
    if (!given.snapshot) {
        print_volume(daemon.status(), given.verbose);
    }
    print_snapshots(snapshots);
    return Exit::ok;
}

constexpr auto kResizeOptions = option_table<Resize>(
    value<&Resize::origin>("-o,--origin", "SIZE",
                           "size of the origin; reload a smaller device's table before, a larger one's "
                           "after"),
    value<&Resize::store>("-s,--snapshot", "SIZE",
                          "how much of SNAPDEV is used; for less, make the device smaller afterwards"),
    value<&Resize::meta>(
        "-m,--metadata", "SIZE",
        "how much of the metadata device is used; for less, make the device smaller afterwards"));
constexpr auto kStatusOptions = option_table<Status>(
    flag<&Status::list>("-l,--list", "only the snapshots' numbers, oldest first"),
    flag<&Status::last>("--last", "only the newest snapshot's number"),
    flag<&Status::size>("-s,--size", "only the size in sectors: the origin's, or the snapshot's"),
    flag<&Status::state>("-S,--state", "by exit code: 0 normal, 1 absent, 2 squashed, 9 error"),
    flag<&Status::verbose>("-v,--verbose", "clients and counters too"));

} // namespace

::ddsnap::client::DeviceOptions reader_options(Daemon& daemon, const std::string& who)
{
    const HelloEntry hello = daemon.hello();
    ::ddsnap::client::DeviceOptions device;
    device.data_socket = hello.data_socket;
    device.origin = hello.origin;
    device.store = hello.store;
    device.name = who + " (process " + std::to_string(::getpid()) + ")";
    device.read_only = true;
    return device;
}

std::uint64_t snapshot_number(const std::string& text)
{
    return static_cast<std::uint64_t>(
        need_integer(text, "snapshot number", 0, std::numeric_limits<std::int64_t>::max()));
}

constexpr CommandSpec kCreate = command<create_snapshot>(
    "create", arguments<&OneSnapshot::socket, &OneSnapshot::snapshot>("SERVERSOCK SNAP"),
    "Take a snapshot with a number of your choice.",
    Page{"The filesystem is not frozen: zumastor snapshot does that.",
         "$ ddsnap create /run/zumastor/data/server 7"});
constexpr CommandSpec kDelete = command<delete_snapshot>(
    "delete", arguments<&OneSnapshot::socket, &OneSnapshot::snapshot>("SERVERSOCK SNAP"),
    "Delete a snapshot.",
    Page{"Refused while the snapshot is open, or its use count is not 0. Its space "
         "becomes free in the background.",
         "$ ddsnap delete /run/zumastor/data/server 7"});
constexpr CommandSpec kList = command<list_snapshots>(
    "list", arguments<&OfDaemon::socket>("SERVERSOCK"), "List the snapshots, oldest first.",
    Page{"Number, time, size, priority, use count, state, clients, kinds and name.",
         "$ ddsnap list /run/zumastor/data/server"});
constexpr CommandSpec kPriority = command<priority>(
    "priority", arguments<&Priority::socket, &Priority::snapshot, &Priority::priority>("SERVERSOCK SNAP N"),
    "Set a snapshot's priority (-128 … 127; 127: it is never given up).",
    Page{"A full store gives up snapshots of low priority first.",
         "$ ddsnap priority /run/zumastor/data/server 7 127"});
constexpr CommandSpec kUsecount = command<usecount>(
    "usecount",
    arguments<&Usecount::socket, &Usecount::snapshot, &Usecount::difference>("SERVERSOCK SNAP [DIFF]"),
    "Change (+1, -1) and print the use count.",
    Page{"A snapshot whose count is not 0 cannot be deleted, and is given up after all "
         "others of its priority.",
         "$ ddsnap usecount /run/zumastor/data/server 7 +1"});
constexpr CommandSpec kResize =
    command<resize>("resize", arguments<&Resize::socket>("SERVERSOCK"),
                    "Change the size of the origin or the snapshot store.", kResizeOptions,
                    Page{"The daemon follows a device that has become larger, or makes room on one that "
                         "is to become smaller. It does not change the device.",
                         "$ ddsnap resize /run/zumastor/data/server --snapshot 40G"});
constexpr CommandSpec kStatus =
    command<status>("status", arguments<&Status::socket, &Status::snapshot>("SERVERSOCK [SNAP]"),
                    "Show store and snapshots.", kStatusOptions,
                    Page{"With --state the answer is the exit status: 0 normal, 1 absent, 2 squashed, 9 "
                         "error.",
                         "$ ddsnap status /run/zumastor/data/server\n"
                         "$ ddsnap status /run/zumastor/data/server 7 --state"});
constexpr CommandSpec kDeltaChangelist = command<delta_changelist>(
    "delta changelist",
    arguments<&DeltaChangelist::socket, &DeltaChangelist::file, &DeltaChangelist::from, &DeltaChangelist::to>(
        "SERVERSOCK FILE S1 S2"),
    "Write to FILE which chunks may differ between two snapshots, the older one first.",
    Page{"The list comes from the store's index; data are not read.",
         "$ ddsnap delta changelist /run/zumastor/data/server changes 7 8"});

} // namespace zumastor::ddsnap
