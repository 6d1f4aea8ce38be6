// SPDX-License-Identifier: GPL-2.0
// zumastor diff: which bytes may differ between two snapshots, or a snapshot and the volume as it is. Read
// from the store's index, not from the data. Reads only and takes no lock.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <limits>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {
namespace {

struct Diff {
    std::string volume;
    std::string snapshot1;
    std::optional<std::string> snapshot2;
    std::optional<std::string> start;
    std::optional<std::string> limit;
    bool json = false;
};

using nlohmann::ordered_json;

constexpr int kDiffVersion = 1;

struct Ends {
    SnapshotEntry from;
    std::optional<SnapshotEntry> to; // none: the volume as it is
};

// Ranges as they come: for people, or as one JSON document.
class Printer {
public:
    Printer(const Volume& volume, const Ends& ends, const VolumeEntry& store, bool json) : json_(json)
    {
        if (!json) {
            std::printf("%16s %16s\n", "OFFSET", "LENGTH");
            return;
        }
        const ordered_json head{
            {"version", kDiffVersion},     {"volume", volume.config().name},
            {"volume_uuid", store.uuid},   {"chunk_bytes", store.chunk_bytes},
            {"from", end_json(ends.from)}, {"to", ends.to ? end_json(*ends.to) : ordered_json()}};
        std::string text = head.dump();
        text.pop_back(); // the document goes on
        std::printf("%s,\"ranges\":[", text.c_str());
    }

    void print(std::uint64_t offset, std::uint64_t length)
    {
        if (json_) {
            std::printf("%s\n{\"offset\":%" PRIu64 ",\"length\":%" PRIu64 "}", ranges_ == 0 ? "" : ",",
                        offset, length);
        } else {
            std::printf("%16" PRIu64 " %16" PRIu64 "\n", offset, length);
        }
        ++ranges_;
        bytes_ += length;
    }

    // `next`: there is more, from this offset on.
    void finish(std::optional<std::uint64_t> next) const
    {
        if (json_) {
            std::printf("],\n\"bytes\":%" PRIu64 ",\"next\":%s}\n", bytes_,
                        next ? std::to_string(*next).c_str() : "null");
            return;
        }
        note(std::to_string(ranges_) + (ranges_ == 1 ? " range, " : " ranges, ") + format_size(bytes_) +
             " may differ" + (next ? "; there is more: --start " + std::to_string(*next) : ""));
    }

    std::uint64_t ranges() const noexcept { return ranges_; }

private:
    static ordered_json end_json(const SnapshotEntry& entry)
    {
        return {{"id", entry.id}, {"uuid", entry.uuid}, {"bytes", entry.sectors * kSectorBytes}};
    }

    bool json_;
    std::uint64_t ranges_ = 0;
    std::uint64_t bytes_ = 0;
};

Ends find_diff_ends(const Volume& volume, Daemon& daemon, const Diff& given)
{
    const std::vector<SnapshotEntry> list = daemon.list();
    Ends ends{find_snapshot(list, volume.config(), given.snapshot1), {}};
    if (const auto name = given.snapshot2) {
        ends.to = find_snapshot(list, volume.config(), *name);
        if (ends.from.epoch >= ends.to->epoch) {
            throw Failure(Exit::usage, "snapshot " + given.snapshot1 + " is not older than " + *name,
                          "give the older one first");
        }
    }
    return ends;
}

Exit show_diff(const Diff& given)
{
    constexpr std::uint64_t kAll = std::numeric_limits<std::int64_t>::max();
    const std::uint64_t start = need_size(given.start.value_or("0"), "start");
    const auto limit =
        given.limit ? static_cast<std::uint64_t>(need_integer(*given.limit, "limit", 1, kAll)) : kAll;
    const Volume volume(load_config(given.volume));
    Daemon daemon = volume.daemon();
    const Ends ends = find_diff_ends(volume, daemon, given);
    const VolumeEntry store = daemon.status();
    const std::uint64_t size = (ends.to ? ends.to->sectors : store.origin_sectors) * kSectorBytes;
    Printer printer(volume, ends, store, given.json);
    std::optional<std::uint64_t> next;
    daemon.delta(ends.from, ends.to, start / store.chunk_bytes, [&](const DeltaRange& range) {
        const std::uint64_t offset = range.first * store.chunk_bytes;
        if (printer.ranges() == limit) {
            next = offset;
            return false;
        }
        printer.print(offset, std::min(range.count * store.chunk_bytes, size - std::min(size, offset)));
        return true;
    });
    printer.finish(next);
    return Exit::ok;
}

constexpr auto kDiffOptions = option_table<Diff>(
    value<&Diff::start>("--start", "OFFSET", "begin at this offset, rounded down to a chunk (0)"),
    value<&Diff::limit>("--limit", "N", "list at most so many ranges, and print where the next one begins"),
    flag<&Diff::json>("--json", "for programs: one JSON document, versioned"));

} // namespace

constexpr CommandSpec kDiff = command<show_diff>(
    "diff", arguments<&Diff::volume, &Diff::snapshot1, &Diff::snapshot2>("VOL SNAP1 [SNAP2]"),
    "List the ranges that may differ between a snapshot and a newer one, or the volume.", kDiffOptions,
    Page{"The ranges come from the store's index; no data is read. A listed range may "
         "have been overwritten with the same content. Without SNAP2 the snapshot is "
         "compared with the volume as it is now.",
         "$ zumastor diff data hourly.1 hourly.0\n"
         "$ zumastor diff data hourly.0 --json"});

} // namespace zumastor
