// SPDX-License-Identifier: GPL-2.0
// zumastor status: what is known, printed for people or as JSON.
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tools/common/block_device.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/rotation.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/view/volume_view.h"

namespace zumastor {
namespace {

struct Status {
    std::optional<std::string> volume;
    std::optional<std::string> snapshot;
    bool usage = false;
    bool full = false;
    bool json = false;
};

using nlohmann::ordered_json;

constexpr int kStatusVersion = 1;

// ---- JSON ------------------------------------------------------------------------------------

ordered_json text_or_null(const std::string& text)
{
    return text.empty() ? ordered_json() : ordered_json(text);
}

ordered_json snapshot_json(const SnapshotView& view)
{
    const SnapshotEntry& entry = view.entry;
    return {{"id", entry.id},
            {"uuid", entry.uuid},
            {"name", text_or_null(entry.name)},
            {"kinds", kinds_of(entry)},
            {"links", view.links},
            {"created", format_rfc3339(entry.created_ns)},
            {"bytes", entry.sectors * kSectorBytes},
            {"state", entry.squashed ? "squashed" : "normal"},
            {"priority", entry.priority},
            {"use_count", entry.use_count},
            {"device", text_or_null(view.device)},
            {"mounted_at", text_or_null(view.mounted_at)}};
}

ordered_json store_json(const VolumeConfig& config, const std::optional<VolumeEntry>& store)
{
    ordered_json object{{"device", config.store}, {"metadata_device", text_or_null(config.meta)}};
    if (!store) {
        return object;
    }
    object["uuid"] = store->uuid;
    object["chunk_bytes"] = store->chunk_bytes;
    object["bytes"] = store->store_chunks * store->chunk_bytes;
    object["free_bytes"] = store->free_chunks * store->chunk_bytes;
    object["pending_bytes"] = store->pending_chunks * store->chunk_bytes;
    object["metadata_blocks"] = store->meta_blocks;
    object["metadata_free_blocks"] = store->free_meta_blocks;
    object["journal_blocks"] = store->journal_blocks;
    object["journal_used_blocks"] = store->journal_used;
    object["exceptions"] = store->exceptions;
    object["sweeping"] = store->sweeping;
    object["failed"] = store->failed;
    object["given_up"] = store->given_up;
    object["bad_chunks"] = store->bad_chunks;
    object["lost_chunks"] = store->lost_chunks;
    object["lost"] = ordered_json::array();
    for (const LostChunkEntry& lost : store->lost) {
        object["lost"].push_back({{"chunk", lost.chunk}, {"snapshots", lost.snapshots}});
    }
    object["policy"] = store->snapshot_first ? "snapshot-first" : "origin-first";
    return object;
}

ordered_json volume_json(const VolumeView& view)
{
    const VolumeConfig& config = view.config;
    ordered_json origin{{"path", config.origin},
                        {"device", text_or_null(view.device)},
                        {"mounted_at", text_or_null(view.mount ? view.mount->target : "")},
                        {"filesystem", text_or_null(view.mount ? view.mount->type : "")},
                        {"options", text_or_null(view.mount ? view.mount->options : "")}};
    if (view.store) {
        origin["bytes"] = view.store->origin_sectors * kSectorBytes;
    }
    ordered_json schedule = ordered_json::object();
    for (const Kind& kind : config.schedule) {
        schedule[kind.name] = kind.keep;
    }
    ordered_json master;
    if (config.master) {
        master = {{"snapmount", config.master->mount_snapshots},
                  {"dotsnapshot", config.master->dot_snapshot},
                  {"export", config.master->over_nfs},
                  {"samba", config.master->samba}};
    }
    ordered_json snapshots = view.store ? ordered_json::array() : ordered_json(); // null: not known
    for (const SnapshotView& snapshot : view.snapshots) {
        snapshots.push_back(snapshot_json(snapshot));
    }
    return {{"name", view.name},
            {"state", view.state},
            {"problem", text_or_null(view.problem)},
            {"next", text_or_null(view.next)},
            {"origin", origin},
            {"store", store_json(config, view.store)},
            {"master", master},
            {"schedule", schedule},
            {"source", source_json(view.replication, config, view.store ? view.store->chunk_bytes : 0)},
            {"targets", targets_json(view.replication)},
            {"snapshots", snapshots}};
}

// ---- for people --------------------------------------------------------------------------------

std::string kind_column(const SnapshotView& view)
{
    return view.links.empty() ? (view.entry.tag.empty() ? "manual" : view.entry.tag.str())
                              : join(view.links, ",");
}

void print_snapshots(const std::vector<SnapshotView>& snapshots)
{
    if (snapshots.empty()) {
        std::puts("no snapshots");
        return;
    }
    std::vector<std::vector<std::string>> rows{
        {"SNAP", "CREATED (UTC)", "KIND", "STATE", "PRIO", "USE", "MOUNTED AT"}};
    for (const SnapshotView& view : snapshots) {
        const SnapshotEntry& entry = view.entry;
        rows.push_back({std::to_string(entry.id), format_rfc3339(entry.created_ns), kind_column(view),
                        entry.squashed ? "squashed" : "normal", std::to_string(entry.priority),
                        std::to_string(entry.use_count), view.mounted_at.empty() ? "-" : view.mounted_at});
    }
    std::fputs(format_table(rows).c_str(), stdout);
}

std::string percent(std::uint64_t part, std::uint64_t whole)
{
    return whole == 0 ? "-" : std::to_string(part * 100 / whole) + " %";
}

std::string store_use(const VolumeEntry& store)
{
    const std::uint64_t used = store.store_chunks - store.free_chunks;
    return format_size(used * store.chunk_bytes) + " of " +
           format_size(store.store_chunks * store.chunk_bytes) + " (" + percent(used, store.store_chunks) +
           ")";
}

void print_overview(const std::vector<VolumeView>& views)
{
    if (views.empty()) {
        std::puts("no volumes are defined");
        return;
    }
    std::vector<std::vector<std::string>> rows{
        {"VOLUME", "STATE", "SIZE", "STORE USED", "SNAPSHOTS", "MOUNTED AT"}};
    for (const VolumeView& view : views) {
        const bool known = view.store.has_value();
        rows.push_back(
            {view.name, view.state, known ? format_size(view.store->origin_sectors * kSectorBytes) : "-",
             known ? store_use(*view.store) : "-", known ? std::to_string(view.snapshots.size()) : "-",
             view.mount ? view.mount->target : "-"});
    }
    std::fputs(format_table(rows).c_str(), stdout);
}

using Rows = std::vector<std::vector<std::string>>;

// Places where snapshots have no content, as the origin could not be read when they were to be copied.
void add_lost(const VolumeEntry& store, Rows& rows)
{
    constexpr std::size_t kMost = 8;
    for (std::size_t i = 0; i < std::min(kMost, store.lost.size()); ++i) {
        const LostChunkEntry& lost = store.lost[i];
        std::vector<std::string> ids;
        for (const std::uint64_t id : lost.snapshots) {
            ids.push_back(std::to_string(id));
        }
        rows.push_back({"  lost", format_size(store.chunk_bytes) + " at byte " +
                                      std::to_string(lost.chunk * store.chunk_bytes) + " of snapshot " +
                                      (ids.empty() ? "being deleted" : join(ids, ", ")) +
                                      ": the origin could not be read there"});
    }
    if (store.lost_chunks > kMost) {
        rows.push_back({"  lost", std::to_string(store.lost_chunks) + " places in all"});
    }
}

void print_usage(const VolumeView& view)
{
    Rows rows;
    if (view.store) {
        const VolumeEntry& store = *view.store;
        const auto chunks = [&](std::uint64_t count) { return format_size(count * store.chunk_bytes); };
        rows = {{"  store free", chunks(store.free_chunks)},
                {"  store pending", chunks(store.pending_chunks) + " (free after the next checkpoint)"},
                {"  metadata", std::to_string(store.meta_blocks - store.free_meta_blocks) + " of " +
                                   std::to_string(store.meta_blocks) + " blocks"},
                {"  journal", std::to_string(store.journal_used) + " of " +
                                  std::to_string(store.journal_blocks) + " blocks"},
                {"  exceptions", std::to_string(store.exceptions)}};
        add_lost(store, rows);
    }
    struct statvfs info {};
    if (view.mount && ::statvfs(view.mount->target.c_str(), &info) == 0) {
        const std::uint64_t total = info.f_blocks * info.f_frsize;
        const std::uint64_t used = total - info.f_bfree * info.f_frsize;
        rows.push_back({"  filesystem", format_size(used) + " of " + format_size(total) + " (" +
                                            percent(used, total) + "), " + view.mount->type});
    }
    std::fputs(format_table(rows).c_str(), stdout);
}

std::string role_text(const VolumeConfig& config)
{
    if (!config.master) {
        return config.source ? "replica" : "none";
    }
    return std::string("master") + (config.master->mount_snapshots ? "" : ", snapshots not mounted") +
           (config.master->dot_snapshot ? ", .snapshot" : "") +
           (config.master->over_nfs ? ", snapshots over NFS" : "") + (config.master->samba ? ", Samba" : "");
}

std::string schedule_text(const VolumeConfig& config)
{
    std::vector<std::string> parts;
    for (const Kind& kind : config.schedule) {
        parts.push_back(kind.name + " " + std::to_string(kind.keep));
    }
    return parts.empty() ? "none" : join(parts, ", ");
}

void print_volume(const VolumeView& view, bool usage, bool full)
{
    std::vector<std::vector<std::string>> rows{{"volume", view.name + ": " + view.state},
                                               {"  origin", view.config.origin},
                                               {"  store", view.config.store}};
    if (!view.problem.empty()) {
        rows.insert(rows.begin() + 1, {{"  problem", view.problem}, {"  next", view.next}});
    }
    if (!view.config.meta.empty()) {
        rows.push_back({"  metadata", view.config.meta});
    }
    if (!view.device.empty()) {
        rows.push_back({"  device", view.device + (view.mount ? ", mounted at " + view.mount->target : "")});
    }
    if (view.store) {
        rows.push_back({"  size", format_size(view.store->origin_sectors * kSectorBytes) + ", chunks of " +
                                      format_size(view.store->chunk_bytes)});
        rows.push_back({"  store used", store_use(*view.store) + (view.store->sweeping ? ", sweeping" : "")});
        rows.push_back({"  if it fills up", view.store->snapshot_first
                                                ? "writes fail, no snapshot is given up (snapshot first)"
                                                : "snapshots are given up (origin first)"});
    }
    rows.push_back({"  role", role_text(view.config)});
    rows.push_back({"  schedule", schedule_text(view.config)});
    const auto more = replication_rows(view.replication, view.config, full);
    rows.insert(rows.end(), more.begin(), more.end());
    std::fputs(format_table(rows).c_str(), stdout);
    if (usage) {
        print_usage(view);
    }
    if (view.store) {
        print_snapshots(view.snapshots);
    }
}

void select_snapshot(VolumeView& view, const std::string& text)
{
    std::vector<SnapshotEntry> list;
    for (const SnapshotView& snapshot : view.snapshots) {
        list.push_back(snapshot.entry);
    }
    if (!view.store) {
        throw Failure(view.state == kUnknown ? Exit::failed : Exit::missing,
                      "snapshot " + text + " of volume " + view.config.name +
                          " cannot be looked up: " + view.problem,
                      view.next);
    }
    const std::uint64_t id = find_snapshot(list, view.config, text).id;
    std::erase_if(view.snapshots, [&](const SnapshotView& snapshot) { return snapshot.entry.id != id; });
}

Exit show_status(const Status& given)
{
    std::vector<VolumeView> views;
    const bool one = given.volume.has_value();
    bool all_known = true;
    if (one) {
        views.push_back(view_of(*given.volume));
        if (given.snapshot) {
            select_snapshot(views.front(), *given.snapshot);
        }
    } else {
        for (const std::string& name : list_volumes()) {
            views.push_back(view_or_problem(name));
        }
    }
    for (const VolumeView& view : views) {
        all_known = all_known && view.state != kUnreadable && view.state != kUnknown;
    }
    const Exit result = all_known ? Exit::ok : Exit::partly;
    if (given.json) {
        ordered_json volumes = ordered_json::array();
        for (const VolumeView& view : views) {
            volumes.push_back(volume_json(view));
        }
        const ordered_json document{{"version", kStatusVersion}, {"volumes", volumes}};
        std::puts(document.dump(2, ' ', false, ordered_json::error_handler_t::replace).c_str());
        return result;
    }
    const bool full = given.full;
    if (!one && !full) {
        print_overview(views);
    }
    for (const VolumeView& view : views) {
        if (one || full) {
            print_volume(view, full || given.usage, full);
        } else if (given.usage) {
            std::puts(view.name.c_str());
            print_usage(view);
        }
        if (!one && !full && !view.problem.empty()) {
            std::printf("%s: %s; next: %s\n", view.name.c_str(), view.problem.c_str(), view.next.c_str());
        }
    }
    return result;
}

constexpr auto kStatusOptions = option_table<Status>(
    flag<&Status::usage>("-u,--usage", "show how full store, metadata and filesystem are"),
    flag<&Status::full>("-f,--full", "show everything about every volume"),
    flag<&Status::json>("--json", "for programs: one JSON document, versioned"));

} // namespace

constexpr CommandSpec kStatus =
    command<show_status>("status", arguments<&Status::volume, &Status::snapshot>("[VOL] [SNAP]"),
                         "Show volumes and snapshots.", kStatusOptions,
                         Page{"Works also while another command runs, and without daemon or kernel module. "
                              "What cannot be found out is shown as unknown.",
                              "$ zumastor status\n"
                              "$ zumastor status data --usage\n"
                              "$ zumastor status --json"});

} // namespace zumastor
