// SPDX-License-Identifier: GPL-2.0
// zumastor send: a snapshot, or what changed since another one, as a stream on standard output.
#include <unistd.h>

#include <bit>
#include <csignal>
#include <cstdio>

#include "tools/common/text.h"
#include "tools/zumastor/commands.h"
#include "tools/zumastor/progress.h"
#include "tools/zumastor/resume_token.h"
#include "tools/zumastor/snapshot_content.h"
#include "tools/zumastor/snapshot_ref.h"
#include "tools/zumastor/uuid_text.h"

namespace zumastor {
namespace {

struct Ends {
    std::optional<SnapshotEntry> from; // none: a full stream
    SnapshotEntry to;
    std::uint64_t first_chunk = 0;
};

SnapshotEntry need_readable(SnapshotEntry snapshot)
{
    if (snapshot.squashed) {
        throw Failure(Exit::failed,
                      "snapshot " + std::to_string(snapshot.id) + " was squashed: its content is gone",
                      "send another one, in full if need be");
    }
    return snapshot;
}

Ends ends_of_token(const std::vector<SnapshotEntry>& list, const VolumeConfig& config, const Args& args)
{
    if (args.has("SNAP") || args.has("--from")) {
        throw Failure(Exit::usage, "--resume says by itself which snapshots are meant",
                      "leave out SNAP and --from");
    }
    const Reception reception = parse_token(*args.get("--resume"));
    Ends ends{{}, need_readable(find_snapshot(list, config, reception.to)), reception.next_chunk};
    if (!reception.from.empty()) {
        ends.from = need_readable(find_snapshot(list, config, reception.from));
    }
    return ends;
}

Ends find_ends(const std::vector<SnapshotEntry>& list, const VolumeConfig& config, const Args& args)
{
    if (args.has("--resume")) {
        return ends_of_token(list, config, args);
    }
    Ends ends{{}, need_readable(find_snapshot(list, config, args.get("SNAP").value_or("latest"))), 0};
    if (const auto from = args.get("--from")) {
        ends.from = need_readable(find_snapshot(list, config, *from));
        if (ends.from->epoch >= ends.to.epoch) {
            throw Failure(Exit::usage, "snapshot " + *from + " is not older than the one to be sent",
                          "--from names the older one");
        }
    }
    return ends;
}

// What is to be sent, from the daemon's index; asked for again for each pass.
stream::RunSource runs_of(Daemon& daemon, const Ends& ends, std::uint64_t all_chunks)
{
    if (!ends.from) {
        return [first = ends.first_chunk, all_chunks]() mutable -> std::optional<stream::ChunkRun> {
            const stream::ChunkRun run{first, all_chunks - first};
            first = all_chunks;
            return run.count > 0 ? std::optional(run) : std::nullopt;
        };
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

stream::Header header_of(const Volume& volume, const VolumeEntry& store, const Ends& ends)
{
    const ReplicaState state = load_replica_state(volume.paths().state);
    stream::Header header;
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(store.chunk_bytes));
    header.lineage = need_uuid(state.lineage.empty() ? store.uuid : state.lineage);
    header.from = need_uuid(ends.from ? ends.from->uuid : "");
    header.to = need_uuid(ends.to.uuid);
    header.sectors = ends.to.sectors;
    header.first_chunk = ends.first_chunk;
    header.created_ns = ends.to.created_ns;
    header.name = ends.to.name;
    header.tag = ends.to.tag;
    return header;
}

stream::SendOptions options_of(const Args& args)
{
    stream::SendOptions options;
    const std::string compression = args.get("--compress").value_or("zstd");
    const auto parsed = stream::Compression::parse(compression);
    if (!parsed) {
        throw Failure(Exit::usage, "--compress " + compression + ": no such compression",
                      "there are: none, zstd, zstd:LEVEL (1 … 19)");
    }
    options.compression = *parsed;
    if (const auto rate = args.get("--rate-limit")) {
        options.bytes_per_second = need_size(*rate, "rate limit");
    }
    return options;
}

void print_plan(const stream::Header& header, const stream::RunSource& runs)
{
    std::printf("would send snapshot %s%s: %llu chunks of %llu bytes, %llu bytes uncompressed\n",
                format_uuid(header.to).c_str(),
                header.full() ? " in full" : (" since " + format_uuid(header.from)).c_str(),
                static_cast<unsigned long long>(header.chunks),
                static_cast<unsigned long long>(header.chunk_bytes()),
                static_cast<unsigned long long>(stream::stream_bytes(header, runs)));
}

void transmit(const Args& args, const stream::Header& header, const stream::RunSource& runs,
              SnapshotContent& content, const stream::SendOptions& options)
{
    (void)std::signal(SIGPIPE, SIG_IGN); // a reader that has gone is an error with a text
    stream::FdSink sink(STDOUT_FILENO);
    Progress progress(args, header);
    try {
        const auto sent = stream::send(header, runs, content, sink, options, [&](const auto& p) {
            check_interrupt();
            progress.show(p.chunks, p.bytes);
        });
        progress.finish(sent.chunks, sent.bytes);
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, "volume " + args.need("VOL") + ": " + error.what(),
                      "the receiver can go on where it stopped: zumastor receive --resume-token");
    }
}

} // namespace

Exit send_stream(const Args& args)
{
    const Volume volume(load_config(args.need("VOL")));
    Daemon daemon = volume.daemon();
    const stream::SendOptions options = options_of(args);
    const Ends ends = find_ends(daemon.list(), volume.config(), args);
    stream::Header header = header_of(volume, daemon.status(), ends);
    // Open snapshots cannot be deleted: both stay as long as this program needs them.
    const auto content = open_content(volume, ends.to);
    const auto base = ends.from ? open_content(volume, *ends.from) : nullptr;
    header.chunks = count_chunks(runs_of(daemon, ends, header.all_chunks()));
    if (args.has("--dry-run")) {
        print_plan(header, runs_of(daemon, ends, header.all_chunks()));
        return Exit::ok;
    }
    if (::isatty(STDOUT_FILENO) != 0) {
        throw Failure(Exit::usage, "a stream is not for a terminal",
                      "send it somewhere: zumastor send … | ssh HOST zumastor receive VOL");
    }
    transmit(args, header, runs_of(daemon, ends, header.all_chunks()), *content, options);
    return Exit::ok;
}

} // namespace zumastor
