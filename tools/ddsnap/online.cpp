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

Daemon connect(const Args& args)
{
    const std::string socket = args.need("SERVERSOCK");
    return Daemon(socket, "server " + socket);
}

std::uint64_t number_of(const Args& args, std::string_view name = "SNAP")
{
    return static_cast<std::uint64_t>(
        need_integer(args.need(name), "snapshot number", 0, std::numeric_limits<std::int64_t>::max()));
}

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
                    volume.given_up ? "all snapshots are given up, the origin is written without"
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

// The codes that scripts know; errors of any kind are 9, so that none is taken for "absent".
Exit state_code(const Args& args)
{
    constexpr auto kNormal = static_cast<Exit>(0);
    constexpr auto kAbsent = static_cast<Exit>(1);
    constexpr auto kSquashed = static_cast<Exit>(2);
    constexpr auto kError = static_cast<Exit>(9);
    try {
        Daemon daemon = connect(args);
        if (!args.has("SNAP")) {
            return daemon.status().failed ? kError : kNormal;
        }
        const auto snapshot = daemon.find(number_of(args));
        return !snapshot ? kAbsent : snapshot->squashed ? kSquashed : kNormal;
    } catch (const Failure& failure) {
        report(failure.what(), failure.next());
        return kError;
    }
}

Exit print_size(const Args& args)
{
    Daemon daemon = connect(args);
    const std::uint64_t sectors =
        args.has("SNAP") ? need_snapshot(daemon, number_of(args)).sectors : daemon.status().origin_sectors;
    std::printf("%" PRIu64 "\n", sectors);
    return Exit::ok;
}

} // namespace

Exit create(const Args& args)
{
    NewSnapshot wanted;
    wanted.id = number_of(args);
    connect(args).create(wanted, kCreateLimit);
    return Exit::ok;
}

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

Exit remove(const Args& args)
{
    connect(args).remove(number_of(args));
    return Exit::ok;
}

Exit list(const Args& args)
{
    print_snapshots(connect(args).list());
    return Exit::ok;
}

Exit priority(const Args& args)
{
    const auto value = static_cast<int>(need_integer(args.need("N"), "priority", -128, 127));
    connect(args).set_priority(number_of(args), value);
    return Exit::ok;
}

Exit usecount(const Args& args)
{
    constexpr std::int64_t kLimit = std::numeric_limits<std::int32_t>::max();
    const std::int64_t difference =
        args.has("DIFF") ? need_integer(args.need("DIFF"), "difference", -kLimit, kLimit) : 0;
    Daemon daemon = connect(args);
    const std::uint64_t id = number_of(args);
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

Exit resize(const Args& args)
{
    const auto size_of = [&](std::string_view option, const char* what) -> std::optional<std::uint64_t> {
        const auto text = args.get(option);
        return text ? std::optional(need_size(*text, what)) : std::nullopt;
    };
    const auto origin = size_of("--origin", "size of the origin");
    const auto store = size_of("--snapshot", "size of the snapshot store");
    const auto meta = size_of("--metadata", "size of the metadata device");
    if (origin.value_or(kSectorBytes) < kSectorBytes || store.value_or(1) == 0 || meta.value_or(1) == 0 ||
        (!origin && !store && !meta)) {
        throw Failure(Exit::usage, "no size is given", "give -o SIZE, -s SIZE, -m SIZE or several");
    }
    Daemon daemon = connect(args);
    daemon.resize(origin ? std::optional(*origin / kSectorBytes) : std::nullopt, store, meta);
    return Exit::ok;
}

Exit delta_changelist(const Args& args)
{
    Daemon daemon = connect(args);
    const SnapshotEntry from = need_snapshot(daemon, number_of(args, "S1"));
    const SnapshotEntry to = need_snapshot(daemon, number_of(args, "S2"));
    if (from.epoch >= to.epoch) {
        throw Failure(Exit::usage,
                      "snapshot " + std::to_string(from.id) + " is not older than " + std::to_string(to.id),
                      "give the older one first");
    }
    const ChangelistSize size = write_changelist(daemon, from, to, args.need("FILE"));
    std::printf("%" PRIu64 " chunks in %" PRIu64 " ranges\n", size.chunks, size.ranges);
    return Exit::ok;
}

Exit status(const Args& args)
{
    if (args.has("--state")) {
        return state_code(args);
    }
    if (args.has("--size")) {
        return print_size(args);
    }
    Daemon daemon = connect(args);
    std::vector<SnapshotEntry> snapshots = daemon.list();
    if (args.has("--last")) {
        if (snapshots.empty()) {
            throw Failure(Exit::not_found, "there is no snapshot");
        }
        std::printf("%" PRIu64 "\n", snapshots.back().id);
        return Exit::ok;
    }
    if (args.has("SNAP")) {
        snapshots = {need_snapshot(daemon, number_of(args))};
    }
    if (args.has("--list")) {
        for (const SnapshotEntry& snapshot : snapshots) {
            std::printf("%" PRIu64 "\n", snapshot.id);
        }
        return Exit::ok;
    }
    if (!args.has("SNAP")) {
        print_volume(daemon.status(), args.has("--verbose"));
    }
    print_snapshots(snapshots);
    return Exit::ok;
}

} // namespace zumastor::ddsnap
